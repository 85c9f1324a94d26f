/** What is known of a file. */
export interface FileInfo {
  readonly path: string
  readonly bytes: number
  /** Its media type, as it was written with or as the ending of its path says: `image/png`. */
  readonly type: string
  readonly modified: Date
  /** When it is gone; `null` where it stays. */
  readonly expires: Date | null
}

/** How a file is written. */
export interface FileWriteOptions {
  /** The media type, without parameters: `text/csv`. Else the ending of the path says it. */
  readonly type?: string
  /** Seconds after which the file is gone. */
  readonly expire?: number
}

/** Text, or bytes. */
export type FileData = string | ArrayBufferView | ArrayBuffer

interface ReadFiles {
  /** The bytes of a file, or of the part of it that is asked for; `null` where there is no such file. */
  read(path: string, part?: { readonly from?: number; readonly bytes?: number }): Promise<Uint8Array | null>
  /** A file as text; `null` where there is no such file. */
  readText(path: string): Promise<string | null>
  /** What JSON in a file says. Say what comes back: `fs.readJson<Model>('model.json')`; `null` where there is no such file. */
  readJson<T = unknown>(path: string): Promise<T | null>
  /** What is known of a file; `null` where there is no such file. */
  stat(path: string): Promise<FileInfo | null>
  /**
   * Files whose paths begin with `prefix`, in the order of their paths; 100 of them unless told.
   * The next ones come with `after`: the path of the last.
   */
  list(
    prefix?: string,
    page?: { readonly after?: string; readonly limit?: number },
  ): Promise<readonly FileInfo[]>
  /**
   * The address of a file, for an hour unless told (`seconds`), for a day at most: `<img src="${await fs.url(path)}">`,
   * or `<a href="${…}">` for a download. Whoever has the address may read the file meanwhile.
   */
  url(path: string, options?: { readonly seconds?: number }): Promise<string>
}

/**
 * A plugin's own files, as views and queries have them: they read, and write files that expire, such as a plot that
 * they show then.
 */
export interface TransientFiles extends ReadFiles {
  /**
   * Writes a file that expires, within a day.
   *
   * **Common mistake:** a path that is the same for all readers. Put into it what the file is about:
   * `plots/${course}.png`.
   */
  write(path: string, data: FileData, options: FileWriteOptions & { readonly expire: number }): Promise<void>
  /** The same for a value, as JSON. */
  writeJson(
    path: string,
    value: unknown,
    options: FileWriteOptions & { readonly expire: number },
  ): Promise<void>
}

/** A plugin's own files, as handlers and jobs have them. What they write is there when their batch has committed. */
export interface Files extends ReadFiles {
  /** Writes a file, in the place of one that is there. */
  write(path: string, data: FileData, options?: FileWriteOptions): Promise<void>
  /** Writes a value as JSON. */
  writeJson(path: string, value: unknown, options?: FileWriteOptions): Promise<void>
  /** Writes at the end of a file; one that is not there is made. Costs what is written, not what is there. */
  append(path: string, data: FileData, options?: { readonly type?: string }): Promise<void>
  /** Deletes a file. Resolves with whether there was one. */
  delete(path: string): Promise<boolean>
  /** Has a file vanish so many seconds from now; with `null` it stays. Resolves with whether there is one. */
  expire(path: string, seconds: number | null): Promise<boolean>
}
