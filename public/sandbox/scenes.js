import { avatar, element, icon } from './draw.js'

/**
 * The elements of one widget's content, by its kind.
 * @param {{ kind: string, title: string, note: string, name: string, points: number }} content
 */
export function drawContent(content) {
  const draw = /** @type {(content: any) => Node[]} */ (scenes[content.kind])
  const heading = element('h1', {}, content.title)
  return [element('div', { className: 'title' }, heading, element('p', {}, content.note)), ...draw(content)]
}

/** @type {Record<string, (content: any) => Node[]>} */
const scenes = {
  channel: ({ messages, name, online }) => {
    const list = element('ol', { className: 'messages' }, ...messages.map(drawMessage))
    return [element('p', { className: 'online' }, `${online} online`), list, drawComposer(list, name)]
  },
  store: ({ items, points }) => [
    drawBalance(points),
    element('ul', { className: 'cards' }, ...items.map(drawItem)),
  ],
  milestone: ({ progress, steps }) => [
    element(
      'div',
      { className: 'progress' },
      element('progress', { max: 100, value: progress, ariaLabel: 'Progress to the next level' }),
      element('span', {}, `${progress} % to the next level`),
    ),
    element('ol', { className: 'rows' }, ...steps.map(drawStep)),
  ],
  currency: ({ points, month, history }) => [
    drawBalance(points, `+${month} this month`),
    element('ul', { className: 'rows' }, ...history.map(drawBooking)),
  ],
  social: ({ posts }) => [element('ul', { className: 'posts' }, ...posts.map(drawPost))],
  minigames: ({ games }) => [element('ul', { className: 'cards' }, ...games.map(drawGame))],
  leaderboard: ({ ranks }) => [element('ol', { className: 'rows ranks' }, ...ranks.map(drawRank))],
}

/** @param {{ author: string, at: string, text: string }} message */
function drawMessage({ author, at, text }) {
  const head = element('p', { className: 'by' }, element('b', {}, author), element('time', {}, at))
  return element('li', {}, avatar(author), element('div', {}, head, element('p', {}, text)))
}

/** @param {HTMLElement} list @param {string} author */
function drawComposer(list, author) {
  const field = element('input', {
    placeholder: `Message as ${author}`,
    ariaLabel: 'Message',
    maxLength: 200,
  })
  const form = element('form', { className: 'composer' }, field, element('button', {}, 'Send'))
  form.addEventListener('submit', (event) => {
    event.preventDefault()
    if (field.value.trim() === '') return
    list.append(drawMessage({ author, at: 'now', text: field.value }))
    list.lastElementChild?.scrollIntoView({ block: 'nearest' })
    field.value = ''
  })
  return form
}

/** @param {number} points @param {string} note */
function drawBalance(points, note = 'to spend') {
  const amount = element('strong', {}, points.toLocaleString('en'))
  return element('p', { className: 'balance' }, amount, ' points ', element('span', {}, note))
}

/** @param {{ name: string, note: string, price: number, missing: number, icon: string }} item */
function drawItem({ name, note, price, missing, icon: symbol }) {
  const action = element('button', { disabled: missing > 0 }, missing > 0 ? `${missing} to go` : 'Redeem')
  action.addEventListener('click', () => {
    action.textContent = 'Redeemed'
    action.disabled = true
  })
  const text = element('div', {}, element('b', {}, name), element('p', {}, note))
  const cost = element('span', { className: 'price' }, `${price.toLocaleString('en')} pts`)
  return element('li', {}, icon(symbol), text, element('div', { className: 'foot' }, cost, action))
}

/** @param {{ name: string, note: string, reward: string, icon: string }} game */
function drawGame({ name, note, reward, icon: symbol }) {
  const text = element('div', {}, element('b', {}, name), element('p', {}, note))
  const price = element('span', { className: 'price' }, `${reward} pts`)
  return element('li', {}, icon(symbol), text, element('div', { className: 'foot' }, price))
}

/** @param {{ name: string, reward: number, state: string }} step */
function drawStep({ name, reward, state }) {
  const symbol = icon({ done: 'check', next: 'peak' }[state] ?? 'lock')
  return element(
    'li',
    { className: state },
    symbol,
    element('b', {}, name),
    element('span', {}, `+${reward}`),
  )
}

/** @param {{ name: string, at: string, amount: number }} booking */
function drawBooking({ name, at, amount }) {
  const label = element('b', {}, name, element('small', {}, at))
  const sign = amount < 0 ? '−' : '+'
  return element(
    'li',
    {},
    label,
    element('span', { className: amount < 0 ? 'out' : 'in' }, sign + Math.abs(amount)),
  )
}

/** @param {{ author: string, at: string, text: string, likes: number, scene: string }} post */
function drawPost({ author, at, text, likes, scene }) {
  const head = element(
    'p',
    { className: 'by' },
    avatar(author),
    element('b', {}, author),
    element('time', {}, at),
  )
  const picture = element('div', { className: `picture ${scene}` })
  const like = element('button', { className: 'like', ariaPressed: 'false' }, icon('heart'), String(likes))
  like.addEventListener('click', () => {
    const liked = like.ariaPressed !== 'true'
    like.ariaPressed = String(liked)
    like.lastChild?.replaceWith(String(likes + Number(liked)))
  })
  return element('li', {}, head, picture, element('p', {}, text), like)
}

/** @param {{ name: string, points: number }} rank */
function drawRank({ name, points }) {
  return element(
    'li',
    {},
    avatar(name),
    element('b', {}, name),
    element('span', {}, points.toLocaleString('en')),
  )
}
