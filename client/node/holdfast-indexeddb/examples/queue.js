// queue.js ADDRESS - three workers take jobs off one queue; no job is done twice. They could be three processes.
import { closeFactory, createFactory } from 'holdfast-indexeddb'

function open (indexedDB) {
  return new Promise((resolve, reject) => {
    const request = indexedDB.open('queue', 1)
    request.onupgradeneeded = () => {
      const jobs = request.result.createObjectStore('jobs', { keyPath: 'id', autoIncrement: true })
      for (let n = 1; n <= 20; n++) jobs.add({ work: n * n })
    }
    request.onsuccess = () => resolve(request.result)
    request.onerror = () => reject(request.error)
  })
}

/** Takes the first job; null where none is left. */
function take (db) {
  return new Promise((resolve, reject) => {
    const transaction = db.transaction('jobs', 'readwrite')
    let job = null
    transaction.objectStore('jobs').openCursor().onsuccess = event => {
      const cursor = event.target.result
      if (cursor === null) return
      job = cursor.value
      cursor.delete()
    }
    transaction.oncomplete = () => resolve(job)
    transaction.onabort = () => reject(transaction.error)
  })
}

async function worker () {
  const indexedDB = createFactory({ address: process.argv[2] })
  const db = await open(indexedDB)
  const done = []
  for (let job = await take(db); job !== null; job = await take(db)) done.push(job.id)
  db.close()
  await closeFactory(indexedDB)
  return done
}

const done = (await Promise.all([worker(), worker(), worker()])).flat()
console.log(`${done.length} jobs done, ${new Set(done).size} different ones`)

// So that the example can be run again.
const factory = createFactory({ address: process.argv[2] })
factory.deleteDatabase('queue').onsuccess = () => closeFactory(factory)
