// store-index.js - IDBIndex: an index as a transaction has it.
import { refuse } from './clone.js'
import { defineReading, Source } from './source.js'
import { domException, finish, illegalConstructor, inner, toDomString, wrap } from './webidl.js'

export class Index extends Source {
  isIndex = true
  #keyPath = undefined

  constructor (store, meta) {
    super(store.transaction)
    this.store = store
    this.index = meta
    this.wrapper = wrap(IDBIndex, this)
  }

  get meta () { return this.store.meta }
  get isDeleted () { return this.index.isDeleted || this.meta.isDeleted }
  get wire () { return [this.meta.server, this.index.server] }

  get keyPath () {
    if (this.#keyPath === undefined) this.#keyPath = Array.isArray(this.index.keyPath) ? [...this.index.keyPath] : this.index.keyPath
    return this.#keyPath
  }

  rename (name) {
    const { transaction, index, meta } = this
    if (!transaction.isUpgrade) throw domException('InvalidStateError', 'The transaction is not a version change transaction.')
    transaction.mustBeActive()
    if (this.isDeleted) throw domException('InvalidStateError', 'The index has been deleted.')
    if (index.name === name) return
    if (meta.indexes.has(name)) throw domException('ConstraintError', `The object store has an index "${name}".`)
    this.store.renameIndex(index, name)
  }
}

export class IDBIndex {
  constructor () { illegalConstructor(arguments) }

  get name () { return inner(this, Index).index.name }
  set name (name) {
    const index = inner(this, Index)
    index.rename(toDomString(name))
  }

  get objectStore () { return inner(this, Index).store.wrapper }
  get keyPath () { return inner(this, Index).keyPath }
  get multiEntry () { return inner(this, Index).index.multiEntry }
  get unique () { return inner(this, Index).index.unique }
}
defineReading(IDBIndex, Index)
finish(IDBIndex)
refuse(IDBIndex)
