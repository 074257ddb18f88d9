/**
 * What gets a colour in HTML and JSX: comments, tags, strings, and the names of attributes. An arrow ends no
 * tag.
 */
const pattern = /=>|(<!--[\s\S]*?-->)|(<\/?[\w-]+|\/?>)|("[^"]*")|(\s[\w:@-]+)(?==")/g
const kinds = ['comment', 'tag', 'string', 'attribute']

/**
 * Fills an element with code, lightly coloured. Trusted Types forbid HTML from a string, so it builds the
 * nodes.
 * @param {HTMLElement} place @param {string} code
 */
export function showCode(place, code) {
  place.replaceChildren()
  let end = 0
  for (const match of code.matchAll(pattern)) {
    place.append(code.slice(end, match.index), colour(match))
    end = match.index + match[0].length
  }
  place.append(code.slice(end))
}

/** @param {RegExpMatchArray} match */
function colour(match) {
  const part = document.createElement('span')
  part.className = kinds[match.slice(1).findIndex((group) => group !== undefined)] ?? ''
  part.textContent = match[0]
  return part
}
