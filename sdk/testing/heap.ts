/** A priority queue: `pop` gives the item with the smallest key. */
export class Heap<T> {
  readonly #items: { key: number; value: T }[] = []

  /** The smallest key, `Infinity` when empty. */
  get smallest(): number {
    return this.#items[0]?.key ?? Number.POSITIVE_INFINITY
  }

  push(key: number, value: T): void {
    const items = this.#items
    const item = { key, value }
    let at = items.push(item) - 1
    while (at > 0) {
      const above = (at - 1) >> 1
      const parent = items[above]
      if (parent === undefined || parent.key <= key) break
      items[at] = parent
      at = above
    }
    items[at] = item
  }

  pop(): T | undefined {
    const items = this.#items
    const top = items[0]
    const last = items.pop()
    if (last === undefined || top === last) return top?.value
    let at = 0
    for (;;) {
      let below = 2 * at + 1
      let child = items[below]
      const right = items[below + 1]
      if (child !== undefined && right !== undefined && right.key < child.key) {
        child = right
        below += 1
      }
      if (child === undefined || child.key >= last.key) break
      items[at] = child
      at = below
    }
    items[at] = last
    return top?.value
  }
}
