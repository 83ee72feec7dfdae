"""Brings messages there and back with Python's imaplib, and exits with an error if something is amiss."""
import imaplib, ssl, sys

host, port, user, password, count, cert = sys.argv[1:]
count = int(count)


def ok(answer):
    status, data = answer
    assert status == "OK", answer
    return data


def letter(n):
    return b"From: a@elsewhere.test\r\nSubject: letter %d\r\n\r\n%s" % (n, b"a line of the letter\r\n" * 20)


m = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=cert))
ok(m.login(user, password))
ok(m.enable("CONDSTORE"))
ok(m.create("there"))
for n in range(count):
    ok(m.append("there", r"(\Seen)" if n % 2 else None, None, letter(n)))
ok(m.select("there"))
assert m.untagged_responses["EXISTS"][-1] == str(count).encode()
got = ok(m.uid("FETCH", "1:*", "(FLAGS BODY.PEEK[])"))
bodies = [part[1] for part in got if isinstance(part, tuple)]
assert len(bodies) == count and all(b == letter(n) for n, b in enumerate(bodies)), len(bodies)
assert len(ok(m.uid("SEARCH", None, "SEEN"))[0].split()) == count // 2
# Flags, a copy, a move and deletions, as another session sees them.
other = imaplib.IMAP4_SSL(host, int(port), ssl_context=ssl.create_default_context(cafile=cert))
ok(other.login(user, password))
ok(other.select("there"))
ok(m.store("1:10", "+FLAGS", r"(\Flagged $Later)"))
ok(m.copy("1:10", "Archive"))
ok(m.uid("MOVE", "11:20", "Trash"))
ok(m.store("1:5", "+FLAGS.SILENT", r"(\Deleted)"))
m.response("EXPUNGE")  # those of MOVE
assert len(ok(m.expunge())) == 5
ok(other.noop())
assert len(ok(other.search(None, "ALL"))[0].split()) == count - 15
assert len(ok(other.search(None, "KEYWORD", "$Later"))[0].split()) == 5
assert b"MESSAGES 10" in ok(m.status("Archive", "(MESSAGES)"))[0]
assert len(ok(m.list())) >= 7
ok(m.close())
m.logout()
other.logout()
