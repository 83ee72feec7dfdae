// Judges and signs with mailauth: verify, rsa, ed25519 or arc; the message comes and goes by the pipe.
import { readFileSync } from "node:fs";
import { createPrivateKey } from "node:crypto";
import { createRequire } from "node:module";

const require = createRequire(import.meta.url);
const { authenticate, sealMessage } = require("mailauth");
const { dkimSign } = require("mailauth/lib/dkim/sign");

const [what, domain, zoneFile, keysFile] = process.argv.slice(2);
const zone = JSON.parse(readFileSync(zoneFile, "utf8"));
const keys = JSON.parse(readFileSync(keysFile, "utf8"));
const mail = readFileSync(0);

const resolver = async (name, type) => {
  const values = type === "TXT" ? zone[name.replace(/\.$/, "")] : undefined;
  if (!values) {
    const err = new Error("no such name");
    err.code = "ENOTFOUND";
    throw err;
  }
  return values.map((v) => [v]);
};

// The key of RFC 8410: a seed in its wrapping.
const edwards = () =>
  createPrivateKey({
    key: Buffer.concat([Buffer.from("302e020100300506032b657004220420", "hex"), Buffer.from(keys.ed25519, "base64")]),
    format: "der",
    type: "pkcs8",
  }).export({ format: "pem", type: "pkcs8" });

if (what === "verify") {
  const found = await authenticate(mail, { ip: "127.0.0.1", helo: "mx.demo.test", sender: "alice@demo.test", mta: "mx.node.test", resolver });
  process.stdout.write(found.dkim.results.map((r) => r.status.result).join(" "));
} else if (what === "arc") {
  const found = await authenticate(mail, { ip: "127.0.0.1", helo: "mx.node.test", sender: "x@lax.test", mta: domain, resolver });
  const seal = await sealMessage(mail, {
    signingDomain: domain, selector: "r", privateKey: keys.rsa, authResults: found.arc.authResults, cv: "none",
  });
  process.stdout.write(Buffer.concat([seal, mail]));
} else {
  const signed = await dkimSign(mail, {
    canonicalization: what === "rsa" ? "relaxed/simple" : "simple/relaxed",
    signatureData: [{ signingDomain: domain, selector: what === "rsa" ? "r" : "e", privateKey: what === "rsa" ? keys.rsa : edwards() }],
  });
  process.stdout.write(signed.signatures + mail);
}
