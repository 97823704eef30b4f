// events.js - tasks, and events that go down and up the tree of database, transaction and request. Node's EventTarget
// has no tree and hides what listeners throw, so listeners are kept and called here.
import { inner, need, toDomString } from './webidl.js'

// Programs that replace them with clocks of their own do not stop this package.
const { setImmediate } = globalThis
const { nextTick } = process

let stamps = 0
const ready = [] // tasks, by their stamps
let isRunning = false
const TASKS = 32 // of one turn

/** A number for what has arrived now: events are told in the order of their arrival. */
export function stamp () { return ++stamps }

/** Run `task` as a task of its own, in the order of the stamps. */
export function queueTask (task, at = ++stamps) {
  let place = ready.length
  while (place > 0 && ready[place - 1].at > at) place--
  ready.splice(place, 0, { task, at })
  if (ready.length === 1 && !isRunning) setImmediate(runTasks)
}

// Some tasks to a turn of the event loop, with what microtasks there are between them, as between turns.
function runTasks () {
  isRunning = true
  try {
    for (let n = hasCheckpoints ? TASKS : 1; n > 0 && ready.length > 0; n--) {
      ready.shift().task()
      if (n > 1) checkpoint()
    }
  } finally {
    isRunning = false
    if (ready.length > 0) setImmediate(runTasks)
  }
}

/** Run `work` when the microtasks of the task that runs now are done. */
export function afterMicrotasks (work) { queueMicrotask(() => nextTick(work)) }

// Not documented, but there: what Node itself does after each callback. Without it microtasks run
// behind the last listener instead of behind each.
const drain = typeof process._tickCallback === 'function' ? () => process._tickCallback() : null

/** Whether promise jobs run behind each listener, as they do in browsers. */
export const hasCheckpoints = drain !== null

function checkpoint () {
  if (drain === null) return
  try {
    drain()
  } catch (e) {
    report(e)
  }
}

/** Make an error known that nobody catches. */
function report (error) {
  if (typeof globalThis.reportError === 'function') globalThis.reportError(error)
  else setImmediate(() => { throw error })
}

/** What is inside of an object that takes listeners. */
export class Target {
  wrapper = null
  parent = null // of the tree: where events go on to
  listeners = [] // {type, callback, isCapture, isOnce, isRemoved}
  handlers = new Map() // type: {value, listener}
}

function optionsOf (options) {
  if (typeof options === 'object' && options !== null) return options
  return { capture: Boolean(options) }
}

function addListener (target, type, callback, options) {
  const { capture = false, once = false, signal } = optionsOf(options)
  if (callback === null || callback === undefined || signal?.aborted) return
  const isCapture = Boolean(capture)
  if (target.listeners.some(l => l.type === type && l.callback === callback && l.isCapture === isCapture)) return
  const listener = { type, callback, isCapture, isOnce: Boolean(once), isRemoved: false }
  target.listeners.push(listener)
  signal?.addEventListener('abort', () => remove(target, listener), { once: true })
}

function remove (target, listener) {
  listener.isRemoved = true
  const place = target.listeners.indexOf(listener)
  if (place >= 0) target.listeners.splice(place, 1)
}

/** The methods of EventTarget for an interface. */
export function defineTarget (Interface) {
  const methods = {
    addEventListener (type, callback, options) {
      need(arguments, 2, 'addEventListener')
      addListener(inner(this, Target), toDomString(type), callback, options)
    },
    removeEventListener (type, callback, options) {
      need(arguments, 2, 'removeEventListener')
      const isCapture = Boolean(optionsOf(options).capture)
      const target = inner(this, Target)
      const listener = target.listeners.find(l => l.type === type && l.callback === callback && l.isCapture === isCapture)
      if (listener !== undefined) remove(target, listener)
    },
    dispatchEvent (event) {
      const target = inner(this, Target)
      need(arguments, 1, 'dispatchEvent')
      if (!(event instanceof Event)) throw new TypeError('dispatchEvent takes an Event')
      dispatch(event, target, true)
      return !event.defaultPrevented
    }
  }
  for (const [name, value] of Object.entries(methods)) {
    Object.defineProperty(Interface.prototype, name, { value, writable: true, configurable: true })
  }
}

/** Attributes like `onsuccess`: a listener that keeps its place when it is replaced. */
export function defineHandlers (Interface, types) {
  for (const type of types) {
    const accessors = {
      get [`on${type}`] () { return inner(this, Target).handlers.get(type)?.value ?? null },
      set [`on${type}`] (value) { setHandler(inner(this, Target), type, value) }
    }
    Object.defineProperty(Interface.prototype, `on${type}`, Object.getOwnPropertyDescriptor(accessors, `on${type}`))
  }
}

function setHandler (target, type, value) {
  const isSet = typeof value === 'function' || (typeof value === 'object' && value !== null)
  const handler = target.handlers.get(type)
  if (!isSet) {
    if (handler === undefined) return
    target.handlers.delete(type)
    remove(target, handler.listener)
  } else if (handler !== undefined) handler.value = value
  else {
    const added = { value, listener: null }
    added.listener = {
      type,
      callback (event) {
        if (typeof added.value === 'function' && added.value.call(this, event) === false) event.preventDefault()
      },
      isCapture: false,
      isOnce: false,
      isRemoved: false
    }
    target.handlers.set(type, added)
    target.listeners.push(added.listener)
  }
}

// What an event shows while it is on its way. Node's own accessors know nothing of a tree.
class Flight {
  target
  current = null
  phase = 0
  isStopped = false
  isStoppedAtOnce = false
  path
  constructor (path) {
    this.target = path[0].wrapper
    this.path = path.map(node => node.wrapper)
  }
}

const flights = new WeakMap()
const SHOWN = {
  target: { get () { return flights.get(this).target } },
  srcElement: { get () { return flights.get(this).target } },
  currentTarget: { get () { return flights.get(this).current } },
  eventPhase: { get () { return flights.get(this).phase } },
  cancelBubble: {
    get () { return flights.get(this).isStopped },
    set (value) { if (value) flights.get(this).isStopped = true }
  },
  composedPath: { value () { return flights.get(this).current === null ? [] : [...flights.get(this).path] } },
  stopPropagation: { value () { flights.get(this).isStopped = true } },
  stopImmediatePropagation: {
    value () {
      const flight = flights.get(this)
      flight.isStopped = flight.isStoppedAtOnce = true
    }
  }
}
for (const descriptor of Object.values(SHOWN)) descriptor.configurable = true

/**
 * Send an event to its target and the parents of that. Gives whether a listener has thrown. Within a call of a program
 * (`isNested`) promise jobs wait, as they do behind any call.
 */
export function dispatch (event, target, isNested = false) {
  const path = []
  for (let node = target; node !== null; node = node.parent) path.push(node)
  const flight = new Flight(path)
  if (!flights.has(event)) Object.defineProperties(event, SHOWN)
  flights.set(event, flight)
  let hasThrown = false
  for (let i = path.length - 1; i >= 0 && !flight.isStopped; i--) {
    flight.phase = i === 0 ? 2 : 1
    hasThrown = invoke(path[i], event, flight, true, isNested) || hasThrown
  }
  for (let i = 0; i < (event.bubbles ? path.length : 1) && !flight.isStopped; i++) {
    flight.phase = i === 0 ? 2 : 3
    hasThrown = invoke(path[i], event, flight, false, isNested) || hasThrown
  }
  flight.phase = 0
  flight.current = null
  flight.isStopped = flight.isStoppedAtOnce = false
  return hasThrown
}

function invoke (node, event, flight, isCapture, isNested) {
  if (node.listeners.length === 0) return false
  flight.current = node.wrapper
  let hasThrown = false
  for (const listener of [...node.listeners]) {
    if (listener.isRemoved || listener.type !== event.type || listener.isCapture !== isCapture) continue
    if (listener.isOnce) remove(node, listener)
    try {
      const { callback } = listener
      if (typeof callback === 'function') callback.call(node.wrapper, event)
      else callback.handleEvent(event)
    } catch (e) {
      hasThrown = true
      report(e)
    }
    if (!isNested) checkpoint()
    if (flight.isStoppedAtOnce) break
  }
  return hasThrown
}
