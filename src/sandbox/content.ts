export type WidgetKind =
  | 'channel'
  | 'store'
  | 'milestone'
  | 'currency'
  | 'social'
  | 'minigames'
  | 'leaderboard'

/** Both vocabularies of the vendor's paths: the guide's with `-widget`, the newer pages' without. */
export const widgetKinds: ReadonlyMap<string, WidgetKind> = new Map([
  ['channel-widget', 'channel'],
  ['channel', 'channel'],
  ['store-widget', 'store'],
  ['store', 'store'],
  ['milestone-widget', 'milestone'],
  ['milestone', 'milestone'],
  ['currency-overview-widget', 'currency'],
  ['currency', 'currency'],
  ['social-widget', 'social'],
  ['social', 'social'],
  ['minigames', 'minigames'],
  ['custom-leaderboards', 'leaderboard'],
])

interface Member {
  name: string
  points: number
  level: number
}

/** Plausible content for one widget, the same for every visit of a user. */
export function sampleContent(kind: WidgetKind, email?: string) {
  const name = email === undefined ? 'Guest' : displayName(email)
  const points = email === undefined ? 0 : pointsOf(email)
  const member = { name, points, level: 3 + (points % 4) }
  return { kind, email, name, points, ...contentByKind[kind](member) }
}

const contentByKind: Record<WidgetKind, (member: Member) => object> = {
  channel: () => ({
    title: 'Trailhead',
    note: 'Weekend plans, gear talk and photos',
    online: 96,
    messages: [
      {
        author: 'Maren Holt',
        at: '09:12',
        text: 'Ridge path is open again after the storm. Two trees still to climb over.',
      },
      {
        author: 'Tomás Rey',
        at: '09:18',
        text: 'Perfect, then Saturday stands: 7:30 at the north car park?',
      },
      { author: 'Priya Nair', at: '09:21', text: 'Count me in. I can take three people from the station.' },
      { author: 'Tomás Rey', at: '09:33', text: 'Two more seats in my car, and far too much coffee.' },
      { author: 'Jonas Weber', at: '09:40', text: 'Bring layers, it will be four degrees at the top.' },
    ],
  }),
  store: ({ points }) => ({
    title: 'Rewards',
    note: 'Spend what you have earned',
    items: [
      { name: 'Free coffee', note: 'Any size, any branch', price: 150, icon: 'cup' },
      { name: 'Trail socks', note: 'Merino, three sizes', price: 480, icon: 'bag' },
      { name: 'Day pass', note: 'Climbing hall, one visit', price: 900, icon: 'ticket' },
      { name: 'Guided hike', note: 'Eight places, 14 June', price: 2400, icon: 'peak' },
    ].map((item) => ({ ...item, missing: Math.max(0, item.price - points) })),
  }),
  milestone: ({ level, points }) => ({
    title: `Level ${level}`,
    note: 'Ridge Walker',
    progress: 40 + (points % 50),
    steps: [
      { name: 'Join the community', reward: 50, state: 'done' },
      { name: 'Complete your profile', reward: 100, state: 'done' },
      { name: 'Post your first photo', reward: 150, state: 'done' },
      { name: 'Invite a friend', reward: 250, state: 'next' },
      { name: 'Ten visits in a month', reward: 500, state: 'locked' },
    ],
  }),
  currency: ({ points }) => ({
    title: 'Trail points',
    note: 'Earned by showing up, spent in the store',
    history: [
      { name: 'Weekly check-in', at: 'Today', amount: 40 },
      { name: 'Photo of the week', at: 'Yesterday', amount: 120 },
      { name: 'Free coffee', at: '12 May', amount: -150 },
      { name: 'Friend joined', at: '9 May', amount: 250 },
    ],
    month: 410 + (points % 90),
  }),
  social: () => ({
    title: 'Community feed',
    note: 'What members shared this week',
    posts: [
      {
        author: 'Priya Nair',
        at: '2 h',
        text: 'First light over the lake. Worth every step in the dark.',
        likes: 48,
        scene: 'dawn',
      },
      {
        author: 'Jonas Weber',
        at: '5 h',
        text: 'Hut to hut, day three. The soup is famous for a reason.',
        likes: 31,
        scene: 'forest',
      },
    ],
  }),
  minigames: () => ({
    title: 'Mini games',
    note: 'A few minutes, a few points',
    games: [
      { name: 'Daily spin', note: '1 spin left today', reward: 'up to 200', icon: 'wheel' },
      { name: 'Trail quiz', note: 'Ten questions', reward: '15 each', icon: 'quiz' },
      { name: 'Find the pair', note: 'Beat 0:48', reward: '60', icon: 'pair' },
      { name: 'Summit run', note: 'Your best: 2,140 m', reward: '90', icon: 'peak' },
    ],
  }),
  leaderboard: () => ({
    title: 'May leaderboard',
    note: 'Public: no sign-in needed',
    ranks: [
      { name: 'Priya Nair', points: 4820 },
      { name: 'Tomás Rey', points: 4410 },
      { name: 'Maren Holt', points: 3975 },
      { name: 'Jonas Weber', points: 3310 },
      { name: 'Aiko Mori', points: 2890 },
    ],
  }),
}

function displayName(email: string) {
  const words = email
    .split('@')[0]!
    .split(/[._+-]/)
    .filter(Boolean)
  return words.map((word) => word[0]!.toUpperCase() + word.slice(1)).join(' ')
}

function pointsOf(email: string) {
  const sum = Buffer.from(email).reduce((total, byte) => (total * 31 + byte) % 1900, 7)
  return 600 + sum
}
