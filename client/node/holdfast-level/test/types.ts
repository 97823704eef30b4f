// Never run: what a program in TypeScript writes, for tsc.
import { HoldfastLevel } from 'holdfast-level'

export async function main (): Promise<void> {
  const db = new HoldfastLevel<string, { n: number }>('users', { address: '127.0.0.1:4653', valueEncoding: 'json' })
  await db.put('ann', { n: 1 })
  const ann: { n: number } | undefined = await db.get('ann')
  console.log(ann?.n, db.location)
  for await (const [key, value] of db.iterator({ gte: 'a', limit: 10 })) console.log(key.length, value.n)
  await db.batch([{ type: 'put', key: 'bob', value: { n: 2 } }, { type: 'del', key: 'ann' }])
  const size: number = await db.approximateSize('a', 'z')
  console.log(size)
  // @ts-expect-error: not the type of the values
  await db.put('bob', 5)
  await db.close()
  await HoldfastLevel.destroy('users')
}
