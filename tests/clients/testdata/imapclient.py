"""Brings messages there and back with IMAPClient, and exits with an error if something is amiss."""
import ssl, sys
from imapclient import IMAPClient, SEEN, FLAGGED

host, port, user, password, count, cert = sys.argv[1:]
count = int(count)


def letter(n):
    return b"From: a@elsewhere.test\r\nSubject: letter %d\r\n\r\n%s" % (n, b"a line of the letter\r\n" * 20)


def session():
    c = IMAPClient(host, int(port), ssl_context=ssl.create_default_context(cafile=cert))
    c.login(user, password)
    return c


c, other = session(), session()
c.create_folder("Gr\u00fc\u00dfe")
for n in range(0, count, 20):
    c.multiappend("Gr\u00fc\u00dfe", [letter(i) for i in range(n, min(n + 20, count))])
assert c.select_folder("Gr\u00fc\u00dfe")[b"EXISTS"] == count
other.select_folder("Gr\u00fc\u00dfe")
uids = c.search("ALL")
got = c.fetch(uids, ["FLAGS", "ENVELOPE", "INTERNALDATE", "BODY.PEEK[]"])
assert len(got) == count
for i, uid in enumerate(sorted(got)):
    assert got[uid][b"BODY[]"] == letter(i), i
    assert got[uid][b"ENVELOPE"].subject == b"letter %d" % i
# What another session does is told to who idles.
other.idle()
c.add_flags(uids[:10], [SEEN, FLAGGED, "$Later"])
told = []
while len(told) < 10:
    told += other.idle_check(timeout=20)
other.idle_done()
modseq = c.folder_status("Gr\u00fc\u00dfe", ["HIGHESTMODSEQ"])[b"HIGHESTMODSEQ"]
c.remove_flags(uids[:4], [FLAGGED])
changed = other.fetch(uids, ["FLAGS"], ["CHANGEDSINCE %d" % modseq])
assert len(changed) == 4, changed
c.move(uids[10:20], "Archive")
c.delete_messages(uids[:5])
c.uid_expunge(uids[:5])
other.noop()
assert len(other.search()) == count - 15
assert sorted(other.search(["FLAGGED"])) == uids[5:10]
assert c.folder_status("Archive")[b"MESSAGES"] == 10
assert c.get_quota_root("INBOX")
assert any(name == "Gr\u00fc\u00dfe" for _, _, name in c.list_folders())
assert c.find_special_folder(rb"\Sent") == "Sent"
c.logout()
other.logout()
