// Presidents and states over the wire, after the README of Memento.
//
//     node examples/presidents.js [ADDRESS]
import Memento from 'holdfast-memento'

const options = { directory: 'presidents', address: process.argv[2] }
let memento = await Memento.open({ ...options, fresh: true }, async schema => {
  await schema.create('president', { lastName: String, firstName: String })
})

await memento.mutator(async mutator => {
  mutator.set('president', { firstName: 'George', lastName: 'Washington', state: 'VA' })
  mutator.set('president', { firstName: 'John', lastName: 'Adams', state: 'MA' })
  mutator.set('president', { firstName: 'Thomas', lastName: 'Jefferson', state: 'VA' })
  mutator.set('president', { firstName: 'Andrew', lastName: 'Jackson', state: 'SC' })
  console.log((await mutator.get('president', ['Adams', 'John'])).state)
})
await memento.close()

// A later version of the program: an index, and a second store with records.
memento = await Memento.open({ ...options, version: 2 }, async schema => {
  await schema.create(['president', 'state'], { state: String })
  await schema.create('state', { code: String })
  schema.set('state', { code: 'MA', name: 'Massachusetts' })
  schema.set('state', { code: 'SC', name: 'South Carolina' })
  schema.set('state', { code: 'VA', name: 'Virginia' })
})

await memento.snapshot(async snapshot => {
  for await (const items of snapshot.cursor(['president', 'state'], ['VA'])) {
    for (const president of items) console.log(president.lastName)
  }
  const join = snapshot.cursor('president').join('state', $ => [$[0].state])
  for (const [president, state] of await join.array()) console.log(`${president.lastName} was born in ${state.name}`)
})
await memento.close()
