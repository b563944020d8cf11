/** The files of a drop, those in folders included. */

function entriesOf(folder: FileSystemDirectoryEntry): Promise<FileSystemEntry[]> {
  const reader = folder.createReader()
  const all: FileSystemEntry[] = []
  return new Promise((resolve, reject) => {
    // A reader gives a hundred at a time, and nothing at the end.
    const next = () =>
      reader.readEntries((entries) => {
        if (entries.length === 0) resolve(all)
        else {
          all.push(...entries)
          next()
        }
      }, reject)
    next()
  })
}

async function* walk(entry: FileSystemEntry): AsyncGenerator<File> {
  if (entry.isFile) {
    yield await new Promise<File>((resolve, reject) => (entry as FileSystemFileEntry).file(resolve, reject))
  } else if (entry.isDirectory) {
    for (const below of await entriesOf(entry as FileSystemDirectoryEntry)) yield* walk(below)
  }
}

export async function* droppedFiles(transfer: DataTransfer): AsyncGenerator<File> {
  // The list is emptied when the event has been handled, so all of it is taken first.
  const dropped = [...transfer.items].map((item) => ({ entry: item.webkitGetAsEntry(), file: item.getAsFile() }))
  for (const { entry, file } of dropped) {
    if (entry) yield* walk(entry)
    else if (file) yield file // of another page, say, and not of a disk
  }
}
