// Never run: what a program in TypeScript writes, for tsc.
import { createFactory, IDBDatabase, IDBKeyRange, indexedDB, registerSerializable } from 'holdfast-indexeddb'
import 'holdfast-indexeddb/auto'

class Point {
  constructor (readonly x: number, readonly y: number) {}
}
registerSerializable('Point', Point, { encode: ({ x, y }) => [x, y], decode: ([x, y]) => new Point(x, y) })

export function main (): void {
  const factory = createFactory({ address: 'holdfast://127.0.0.1:4653' })
  const request = factory.open('books', 2)
  request.onblocked = event => console.log(event.oldVersion, event.newVersion)
  request.onupgradeneeded = event => {
    if (event.oldVersion > 1) return
    const store = request.result.createObjectStore('books', { keyPath: 'isbn' })
    store.createIndex('by author', ['author', 'year'], { unique: false })
  }
  request.addEventListener('success', function () {
    const db: IDBDatabase = this.result
    const transaction = db.transaction(['books'], 'readwrite', { durability: 'relaxed' })
    const books = transaction.objectStore('books')
    books.put({ isbn: 1, author: 'ann', year: 2000, at: new Point(1, 2) })
    books.index('by author').openCursor(IDBKeyRange.bound(['ann'], ['ann', []]), 'prev').onsuccess = function () {
      const cursor = this.result
      if (cursor === null) return
      console.log(cursor.value.isbn, cursor.primaryKey)
      cursor.continue()
    }
    const all = books.getAll(null, 10)
    all.onsuccess = () => { const rows: any[] = all.result; console.log(rows.length) }
    transaction.oncomplete = () => db.close()
    // @ts-expect-error: no such mode
    db.transaction('books', 'exclusive')
  })
  indexedDB.databases().then(list => console.log(list[0]?.name, indexedDB.cmp(1, 'a')))
  // @ts-expect-error: cannot be constructed
  new IDBKeyRange()
}
