/** The full names of the tests in a source file: the names of the groups around each, then its own. */
export function titlesOf(source: string): string[] {
  const groups: { depth: number; title: string }[] = []
  const titles: string[] = []
  for (const [, indent = '', kind, , title = ''] of source.matchAll(
    /^( *)(describe|it|test)(?:\.\w+\([^\n]*?\))?\(\s*(['"])((?:(?!\3).)*)\3/gm,
  )) {
    while ((groups.at(-1)?.depth ?? -1) >= indent.length) groups.pop()
    if (kind === 'describe') groups.push({ depth: indent.length, title })
    else titles.push([...groups.map((group) => group.title), title].join(' '))
  }
  return titles
}
