// Users whose e-mail addresses are theirs alone: a unique index, and the error that names the other.
//
//     node examples/unique-email.js [ADDRESS]
import { connect, errors } from 'holdfast'

const db = await connect(process.argv[2])
await db.dropStore('people').catch(e => { if (e.name !== 'NO_STORE') throw e })
await db.createStore('people', { key: 'id', generate: true })
await db.createIndex('people', 'email', { key: 'email', unique: true })

async function signUp (name, email) {
  try {
    const id = await db.insert('people', { name, email: email.toLowerCase() })
    return `${name} has number ${id}`
  } catch (e) {
    if (!(e instanceof errors.NOT_UNIQUE)) throw e
    return `${name}: ${e.details.key} belongs to number ${e.details.record}`
  }
}

console.log(await signUp('Ann', 'ann@x.org'))
console.log(await signUp('Ben', 'Ann@x.org'))
const race = await Promise.all(Array.from({ length: 10 }, (_, i) => signUp(`Cyd ${i}`, 'cyd@x.org')))
console.log(`${race.filter(line => line.includes('has number')).length} of 10 at once got cyd@x.org`)
console.log((await db.get(['people', 'email'], 'ann@x.org')).name)
await db.close()
