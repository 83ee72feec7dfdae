# Signs in with a token by XOAUTH2: HOST IMAPS SUBMISSIONS USER TOKEN CERT.
import imaplib
import smtplib
import ssl
import sys

host, imaps, submissions, user, token, cert = sys.argv[1:]
tls = ssl.create_default_context(cafile=cert)
message = f"user={user}\x01auth=Bearer {token}\x01\x01"

smtp = smtplib.SMTP_SSL(host, int(submissions), context=tls)
smtp.ehlo()
smtp.auth("XOAUTH2", lambda challenge=None: "" if challenge else message)
smtp.quit()

imap = imaplib.IMAP4_SSL(host, int(imaps), ssl_context=tls)
imap.authenticate("XOAUTH2", lambda challenge: b"" if challenge else message.encode())
assert imap.select("INBOX")[0] == "OK"
imap.logout()
print("signed in")
