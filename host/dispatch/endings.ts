/** What has to be let go of when a call ends: open cursors, places in a line, promises to others. */
export class Endings {
  #letGo: (() => void)[] | undefined = []

  readonly add = (letGo: () => void): void => {
    if (this.#letGo === undefined) letGo()
    else this.#letGo.push(letGo)
  }

  end(): void {
    const all = this.#letGo ?? []
    this.#letGo = undefined
    for (const letGo of all) letGo()
  }
}
