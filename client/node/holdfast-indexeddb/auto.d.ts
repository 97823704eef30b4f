// `import 'holdfast-indexeddb/auto'` puts indexedDB and its classes on globalThis. Their types are in TypeScript's
// lib "dom"; without it, import the names from 'holdfast-indexeddb'.
export {}
