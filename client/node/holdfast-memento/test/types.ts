// Never run: what a program in TypeScript writes, for tsc.
import Memento from 'holdfast-memento'

export async function main (): Promise<void> {
  const memento = await Memento.open({ directory: 'presidents', version: 2 }, async schema => {
    if (schema.version.target < 2) await schema.create('president', { lastName: String, 'terms.0': [Number, Memento.DSC] })
    await schema.create(['president', 'state'], { state: String })
    schema.set('president', { lastName: 'Adams' })
  })
  await memento.mutator(async mutator => {
    mutator.set('president', { lastName: 'Jackson', state: 'SC' })
    if (await mutator.get('president', ['Jackson']) === null) mutator.rollback()
  })
  const count: number = await memento.snapshot(async snapshot => {
    let n = 0
    for await (const rows of snapshot.cursor(['president', 'state'], ['VA']).exclusive().limit(5)) {
      for (const row of rows) {
        n += row.lastName.length
        rows.reversed = true
      }
    }
    for await (const found of snapshot.map('president', [['Adams']])) n += found[0].items.length
    return n
  })
  console.log(count, memento.indices('president').length)
  // @ts-expect-error: a snapshot does not write
  await memento.snapshot(snapshot => snapshot.set('president', {}))
  await memento.close()
}
