// A queue of jobs. Each is done by one worker, however many there are; the job of a worker that dies
// in its transaction is there again at once.
//
//     node examples/job-queue.js [ADDRESS]
import { connect } from 'holdfast'

const db = await connect(process.argv[2])
await db.dropStore('jobs').catch(e => { if (e.name !== 'NO_STORE') throw e })
await db.createStore('jobs', { key: 'id', generate: true })
// Only waiting jobs are in the index, so taking one costs the same when a million are done.
await db.createIndex('jobs', 'waiting', { key: ['priority', 'id'], where: { state: 'waiting' } })

for (let i = 0; i < 20; i++) await db.put('jobs', { priority: i % 3, state: 'waiting', work: i })

async function worker (name) {
  let done = 0
  while (true) {
    const job = await db.transaction(async tx => {
      // One of the first few, so that workers seldom want the same.
      const few = await tx.scan(['jobs', 'waiting'], null, { limit: 4 }).all()
      if (few.length === 0) return null
      const [, , job] = few[Math.floor(Math.random() * few.length)]
      tx.put('jobs', { ...job, state: 'done', by: name })
      return job
    }, { label: name, attempts: 100 })
    if (job === null) return done
    done++
  }
}

const done = await Promise.all(['w1', 'w2', 'w3', 'w4'].map(worker))
console.log(`${done.reduce((a, b) => a + b)} jobs done, ${await db.count(['jobs', 'waiting'])} left`)
await db.close()
