// What the tests see: the package's names, and the prototype of its transactions.
import { Transaction } from '../index.js'
export * from '../index.js'
export const ConnectionTest = { transaction: Transaction.prototype }
