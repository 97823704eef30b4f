// Transfers between accounts, many at once. No money appears or vanishes, whoever loses to whom.
//
//     node examples/bank-transfer.js [ADDRESS]
import { connect } from 'holdfast'

const db = await connect(process.argv[2])
await db.dropStore('accounts').catch(e => { if (e.name !== 'NO_STORE') throw e })
await db.createStore('accounts', { key: 'name' })
const names = ['ann', 'bob', 'cyd', 'dan', 'eve']
for (const name of names) await db.put('accounts', { name, money: 100 })

class NotEnough extends Error {}

async function transfer (from, to, amount) {
  await db.transaction(async tx => {
    const source = await tx.get('accounts', from)
    // An error of one's own rolls the transaction back and is not tried again.
    if (source.money < amount) throw new NotEnough(`${from} has ${source.money}`)
    tx.update('accounts', from, [['add', 'money', -amount]])
    tx.update('accounts', to, [['add', 'money', amount]])
  }, { label: `${from} to ${to}`, attempts: 100 })
}

const done = await Promise.allSettled(Array.from({ length: 100 }, (_, i) =>
  transfer(names[i % 5], names[(i + 1 + i % 4) % 5], 1 + i % 7)))
const refused = done.filter(d => d.status === 'rejected').map(d => d.reason)
for (const error of refused) if (!(error instanceof NotEnough)) throw error

const accounts = await db.scan('accounts', null, { only: 'values' }).all()
console.log(`${accounts.length} accounts have ${accounts.reduce((sum, a) => sum + a.money, 0)}`)
try {
  await transfer('ann', 'bob', 1000)
} catch (e) {
  console.log(`refused: ${e.constructor.name}`)
}
await db.close()
