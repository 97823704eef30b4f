// methods.js - the protocol's methods as data. A test compares this table with what `describe` of a
// running server says, so that no method can be missing.

// method: parameters in their order (without options). `t` is the transaction's handle, which the
// client fills in; `key` is a key, which must be there; a name with ? may be left out.
export const METHODS = {
  hello: ['client?'],
  describe: [],
  ping: [],
  begin: ['t'],
  commit: ['t'],
  rollback: ['t'],
  run: ['ops'],
  create_store: ['t', 'name'],
  drop_store: ['t', 'name'],
  clear_store: ['t', 'name'],
  rename_store: ['t', 'name', 'new'],
  create_index: ['t', 'store', 'name'],
  drop_index: ['t', 'store', 'name'],
  rename_index: ['t', 'store', 'name', 'new'],
  stores: ['t'],
  put: ['t', 'store', 'value', 'key?'],
  insert: ['t', 'store', 'value', 'key?'],
  update: ['t', 'store', 'key', 'changes'],
  delete: ['t', 'store', 'key'],
  get: ['t', 'source', 'key'],
  has: ['t', 'source', 'key'],
  get_many: ['t', 'source', 'keys'],
  scan: ['t', 'source', 'range?'],
  next: ['cursor'],
  close: ['cursor'],
  count: ['t', 'source', 'range?'],
  size: ['t', 'source', 'range?'],
  delete_range: ['t', 'store', 'range'],
  status: [],
  holds: [],
  clients: [],
  kill: ['what'],
  rotate: [],
  amalgamate: [],
  backup: ['base?'],
  backup_read: ['backup', 'position'],
  backup_close: ['backup'],
  check_data: [],
  savepoint: ['t', 'name'],
  rollback_to: ['t', 'name'],
  release: ['t', 'name'],
  check: ['t'],
  outcome: ['token'],
  cancel: ['msgid'],
  subscribe: ['events'],
  query: ['t', 'text', 'args?'],
  explain: ['t', 'text', 'args?'],
  databases: [],
  drop_database: ['name'],
  attach: ['o'],
  upgrade: ['o', 't', 'to'],
  versionchange_seen: ['o'],
  detach: ['o'],
  login_begin: ['mechanism', 'message'],
  login_end: ['message'],
  create_user: ['name', 'settings?'],
  alter_user: ['name', 'settings'],
  drop_user: ['name'],
  users: [],
  set_quota: ['database', 'quota']
}

/** What has a meaning in a transaction only. */
export const IN_TRANSACTION = new Set(['begin', 'commit', 'rollback', 'savepoint', 'rollback_to', 'release', 'check'])

// What may change something. The loss of its answer leaves open whether it did.
export const WRITES = new Set(['commit', 'run', 'create_store', 'drop_store', 'clear_store', 'rename_store',
  'create_index', 'drop_index', 'rename_index', 'put', 'insert', 'update', 'delete', 'delete_range', 'query',
  'drop_database', 'create_user', 'alter_user', 'drop_user',
  'set_quota'])

// What changes nothing, so that a transaction can go on without its answer; a query unless it writes.
export const READS = new Set(['get', 'has', 'get_many', 'scan', 'next', 'count', 'size', 'query', 'explain', 'stores'])

/** create_store -> createStore */
export function camel (name) {
  return name.replace(/_([a-z])/g, (_, letter) => letter.toUpperCase())
}

const snakes = new Map()

/** deadlineMs -> deadline_ms */
export function snake (name) {
  let known = snakes.get(name)
  if (known === undefined) {
    known = name.replace(/[A-Z]/g, letter => '_' + letter.toLowerCase())
    if (snakes.size < 1000) snakes.set(name, known)
  }
  return known
}
