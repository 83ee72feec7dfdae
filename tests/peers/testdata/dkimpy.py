"""Judges and signs with dkimpy: verify, rsa, ed25519 or arc; the message comes and goes by the pipe."""
import base64, json, sys

import dkim

what, domain, zone, keys = sys.argv[1:]
zone = json.load(open(zone))
keys = json.load(open(keys))
mail = sys.stdin.buffer.read()


def txt(name, timeout=5):
    values = zone.get(name.decode().rstrip("."))
    return values[0].encode() if values else None


HEADERS = [b"From", b"To", b"Subject", b"Date", b"Message-ID"]
if what == "verify":
    d = dkim.DKIM(mail)
    words = []
    for i in range(mail.count(b"DKIM-Signature:")):
        try:
            words.append("pass" if d.verify(i, dnsfunc=txt) else "fail")
        except dkim.DKIMException as e:
            words.append("fail")
    sys.stdout.write(" ".join(words))
elif what == "rsa":
    field = dkim.sign(mail, b"r", domain.encode(), keys["rsa"].encode(), canonicalize=(b"relaxed", b"simple"), include_headers=HEADERS)
    sys.stdout.buffer.write(field + mail)
elif what == "ed25519":
    field = dkim.sign(mail, b"e", domain.encode(), keys["ed25519"].encode(), canonicalize=(b"simple", b"relaxed"),
                      include_headers=HEADERS, signature_algorithm=b"ed25519-sha256")
    sys.stdout.buffer.write(field + mail)
elif what == "arc":
    # It seals what it has found out itself.
    mail = b"Authentication-Results: " + domain.encode() + b"; spf=pass smtp.mailfrom=lax.test\r\n" + mail
    fields = dkim.arc_sign(mail, b"r", domain.encode(), keys["rsa"].encode(), domain.encode(), include_headers=HEADERS)
    sys.stdout.buffer.write(b"".join(fields) + mail)
