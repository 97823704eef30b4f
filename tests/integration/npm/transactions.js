// Runs transactions against the server at 127.0.0.1:PORT with npm's msgpack5rpc,
// which knows nothing of Holdfast. Prints "ok" at the end.
'use strict';

const assert = require('assert');
const net = require('net');
const Session = require('msgpack5rpc');

function connect(port) {
  return new Promise((resolve, reject) => {
    const socket = net.connect(port, '127.0.0.1', () => {
      const session = new Session();
      session.attach(socket, socket);
      resolve({
        call: (method, ...params) => new Promise((done, failed) => {
          session.request(method, params, (error, result) => error ? failed(error) : done(result));
        }),
        notify: (method, ...params) => session.notify(method, params),
        close: () => socket.end(),
      });
    });
    socket.setNoDelay(true);
    socket.on('error', reject);
  });
}

async function main(port) {
  const a = await connect(port);
  const b = await connect(port);
  const hello = await a.call('hello', {client: 'msgpack5rpc', protocol: 1});
  assert.strictEqual(hello.protocol, 1);
  await a.call('create_store', 0, 'npm', {key: 'id'});

  // Everything of a transaction leaves at once; the answers come in order.
  const all = await Promise.all([
    a.call('begin', 1, {label: 'from npm'}),
    a.call('put', 1, 'npm', {id: 'x', text: 'h\u00e9llo', n: 1.5, list: [1, null, true], bin: Buffer.from([0, 255])}),
    a.call('get', 1, 'npm', 'x'),
    a.call('commit', 1),
    a.call('get', 0, 'npm', 'x'),
  ]);
  assert.strictEqual(all[1], 'x');
  assert.strictEqual(all[2].text, 'h\u00e9llo');
  assert.ok(all[3].commit > 0);
  assert.deepStrictEqual([...all[4].bin], [0, 255]);
  assert.deepStrictEqual(all[4].list, [1, null, true]);

  // A conflict comes as an error that names the winner.
  await a.call('begin', 2);
  await a.call('get', 2, 'npm', 'x');
  const won = await b.call('begin', 2, {label: 'winner'});
  await b.call('put', 2, 'npm', {id: 'x', by: 'b'});
  await b.call('commit', 2);
  await assert.rejects(a.call('put', 2, 'npm', {id: 'x', by: 'a'}), (error) => {
    assert.strictEqual(error.name, 'CONFLICT');
    assert.strictEqual(error.details.winner.version, won.version);
    return true;
  });
  assert.strictEqual(await a.call('rollback', 2), null);

  // Notifications, scans, many at once.
  a.notify('put', 0, 'npm', {id: 'quiet'});
  assert.ok(await a.call('has', 0, 'npm', 'quiet'));
  await Promise.all(Array.from({length: 500}, (_, n) => b.call('put', 0, 'npm', {id: n})));
  let page = await a.call('scan', 0, 'npm', {lt: 1000}, {page: 200});
  const rows = page.rows;
  while (page.cursor !== null) {
    page = await a.call('next', page.cursor);
    rows.push(...page.rows);
  }
  assert.deepStrictEqual(rows.map((r) => r[0]), Array.from({length: 500}, (_, n) => n));
  a.close();
  b.close();
  console.log('ok');
}

main(Number(process.argv[2])).catch((error) => {
  console.error(error);
  process.exit(1);
});
