// Never run: what a program in TypeScript writes, for tsc.
import { Batch, connect, errors, HoldfastError, Timestamp, type Client, type Key, type Transaction, Utf8 } from 'holdfast'

async function transfer (db: Client, from: string, to: string, amount: number): Promise<number> {
  return db.transaction(async (tx: Transaction) => {
    const source = await tx.get('accounts', from)
    await tx.update('accounts', from, [['add', 'money', -amount]])
    await tx.update('accounts', to, [['add', ['money'], amount]], { upsert: true })
    return source.money as number
  }, { isolation: 'serializable', label: 'transfer', lock: { exclusive: ['accounts'] }, readOnly: false })
}

export async function main (): Promise<void> {
  const db = await connect('holdfast://127.0.0.1:4653/main', { client: 'types' })
  await db.createStore('accounts', { key: ['country', { path: ['a', 0], order: 'desc' }], generate: false })
  await db.createIndex('accounts', 'mail', { key: 'mail', unique: true, types: ['text'] })
  const keys: Key[] = [1, 2n, 'a', new Date(), new Timestamp(1, 5), [null, true], new Uint8Array()]
  await db.getMany('accounts', keys)
  const { answers, open } = await db.getMany<{ n: number }>('accounts', keys, { each: true, rest: 5 })
  for (const answer of answers) if (answer?.length === 1) console.log(answer[0].n, open?.snapshot)
  for (const r of await db.getEach('accounts', keys)) console.log(r.status === 'fulfilled' ? r.value : r.reason.name)
  for await (const [key, value] of db.scan('accounts', { gte: 'a' }, { limit: 5 })) console.log(key, value)
  for await (const [mail, key, value] of db.scan(['accounts', 'mail'])) console.log(mail, key, value)
  for await (const key of db.scan('accounts', null, { only: 'keys' })) console.log(key)
  try {
    const before: number = await transfer(db, 'a', 'b', 5)
    console.log(before)
  } catch (e) {
    if (e instanceof errors.CONFLICT) console.log(e.details.winner.label)
    else if (e instanceof HoldfastError && e.maybeCommitted) console.log(e.code.toFixed(0))
  }
  db.on('disconnect', error => console.log(error.message))
  const tx = await db.begin({ readOnly: true, signal: AbortSignal.timeout(5) })
  const commit: number | null = await tx.commit()
  console.log(commit)
  // @ts-expect-error: no such level
  await db.begin({ isolation: 'chaos' })
  // @ts-expect-error: an index needs a key
  await db.createIndex('accounts', 'x', {})
  // @ts-expect-error: a map is not a key
  await db.get('accounts', {})
  // @ts-expect-error: no such option
  await connect('', { tsl: true })
  await db.close()
}
async function listed (db: Client): Promise<void> {
  const all = await db.stores()
  all[0].name.length
  const page = await db.stores({ limit: 5 })
  page.next?.length
  const dbs = await db.databases()
  dbs.map(d => d.version)
  const some = await db.databases({ from: 'a', deadlineMs: 5 })
  some.databases[0].stores
  const again = await db.stores({ deadlineMs: 100 })
  again.map(s => s.records)
  await db.transaction(async tx => { (await tx.stores()).length }, { writeBytes: 1, heldBytes: 2, readBytes: 3 })
}
void listed
export async function grouped (db: Client): Promise<void> {
  const { commit }: { commit: number | null } = await db.run(new Batch().put('s', { a: 1 }, new Utf8('k')).delete('s', 1), { durability: 'sync' })
  commit?.toFixed()
  const isNew: boolean = await db.ensureStore('s', { key: 'id' }) && await db.ensureIndex('s', 'i', { key: 'name' })
  console.log(isNew)
  db.getTo('s', 'k', { take: value => console.log(value), fail: error => console.log(error.message) })
  // @ts-expect-error: a delete has a key
  new Batch().delete('s')
}

interface User { name: string, visits: number }
interface Post { id: number, by: string }
export async function typed (): Promise<void> {
  const db = await connect<{ users: User, posts: Post }>()
  const ann = await db.get('users', 'ann')
  if (ann !== null) ann.visits.toFixed()
  const post = await db.get(['posts', 'by'], 'ann')
  post?.by.length
  // @ts-expect-error: a user may be missing
  ann.name.length
  // @ts-expect-error: not of a user
  await db.put('users', { name: 'bob' })
  await db.put('users', { name: 'bob', visits: 0 })
  await db.put('others', [1])
  const other = await db.get('others', 1)
  other.whatever()
  const [first] = await db.getMany('posts', [1, 2])
  first?.id.toFixed()
  for await (const [key, user] of db.scan('users')) console.log(key, user.visits.toFixed())
  for await (const [at, key, { by }] of db.scan(['posts', 'at'])) console.log(at, key, by.length)
  for await (const { id } of db.scan('posts', null, { only: 'values' })) console.log(id.toFixed())
  await db.transaction(async tx => {
    const user = await tx.get('users', 'ann')
    // @ts-expect-error: not of a user
    tx.insert('users', { ...user, visits: 'many' })
    const after = await tx.update('users', 'ann', [['add', 'visits', 1]])
    after?.visits.toFixed()
  })
  const any = await connect()
  const asked = await any.get<User>('users', 'ann')
  asked?.visits.toFixed()
  const unknown = await any.get('users', 'ann')
  unknown.visits.toFixed()
  any.on('reconnecting', (attempt, error) => console.log(attempt.toFixed(), error.message))
  const plain: Client = db
  await plain.close()
  await using tx = await db.begin()
  await tx.rollback()
}
