// Brings messages there and back with ImapFlow, and exits with an error if something is amiss.
import assert from 'node:assert/strict';
import { ImapFlow } from 'imapflow';

const [host, port, user, pass, number] = process.argv.slice(2);
const count = Number(number);
const letter = n => `From: a@elsewhere.test\r\nSubject: letter ${n}\r\n\r\n${'a line of the letter\r\n'.repeat(20)}`;
const session = async options => {
    const c = new ImapFlow({ host, port: Number(port), secure: true, auth: { user, pass }, logger: false, ...options });
    await c.connect();
    return c;
};

const c = await session();
const other = await session({ qresync: true });
await c.mailboxCreate('there');
for (let n = 0; n < count; n++) await c.append('there', letter(n), n % 2 ? ['\\Seen'] : []);
await c.mailboxOpen('there');
await other.mailboxOpen('there');
assert.equal(c.mailbox.exists, count);
assert.ok(c.mailbox.highestModseq > 0n);
let got = 0;
for await (const m of c.fetch('1:*', { uid: true, flags: true, envelope: true, source: true, threadId: true })) {
    assert.equal(m.source.toString(), letter(m.seq - 1));
    assert.equal(m.envelope.subject, `letter ${m.seq - 1}`);
    got++;
}
assert.equal(got, count);
// A second look brings what has changed since, and that is nothing.
const since = c.mailbox.highestModseq;
const changes = async () => {
    const list = [];
    for await (const m of c.fetch('1:*', { uid: true, flags: true }, { changedSince: since })) list.push(m.uid);
    return list;
};
assert.deepEqual(await changes(), []);
// Flags, a move and deletions, as another session sees them.
const vanished = [];
other.on('expunge', e => vanished.push(e.uid));
await c.messageFlagsAdd('1:10', ['\\Flagged', '$Later'], { uid: true });
assert.equal((await changes()).length, 10);
assert.equal((await c.messageMove('11:20', 'Archive', { uid: true })).uidMap.size, 10);
await c.messageDelete('1:5', { uid: true });
await other.noop();
assert.equal(vanished.length, 15);
assert.deepEqual(await other.search({ keyword: '$Later' }, { uid: true }), [6, 7, 8, 9, 10]);
assert.equal((await other.status('Archive', { messages: true })).messages, 10);
assert.ok((await c.list()).some(m => m.specialUse === '\\Sent'));
await c.logout();
await other.logout();
