import { brotliDecompressSync, gunzipSync, inflateRawSync, inflateSync, type ZlibOptions } from 'node:zlib'
import { OutboundFault } from './fault.ts'

type Decode = (bytes: Buffer, options: Pick<ZlibOptions, 'maxOutputLength'>) => Buffer

const decoders: Record<string, Decode> = {
  identity: (bytes) => bytes,
  gzip: gunzipSync,
  'x-gzip': gunzipSync,
  deflate: inflateEither,
  br: brotliDecompressSync,
}

/**
 * Undoes the content encoding of a whole answer (RFC 9110 §8.4.1), at most `maxBytes` of it. Throws
 * `OutboundFault` for more, for broken data and for an encoding that it does not know.
 */
export function decodeBody(
  bytes: Buffer,
  { 'content-encoding': encoding = 'identity' }: Record<string, string | string[] | undefined>,
  maxBytes: number,
): Buffer {
  const name = String(encoding).toLowerCase()
  const decode = Object.hasOwn(decoders, name) ? decoders[name] : undefined
  if (decode === undefined) throw new OutboundFault('protocol_error')
  if (bytes.length === 0) return bytes
  try {
    return decode(bytes, { maxOutputLength: maxBytes })
  } catch (cause) {
    if ((cause as NodeJS.ErrnoException).code === 'ERR_BUFFER_TOO_LARGE')
      throw new OutboundFault('body_too_large', { cause })
    throw new OutboundFault('protocol_error', { cause })
  }
}

/** Servers send two kinds of "deflate": with zlib's header, as the RFC says, and without. */
function inflateEither(bytes: Buffer, options: Pick<ZlibOptions, 'maxOutputLength'>): Buffer {
  const hasZlibHeader = (bytes[0]! & 0x0f) === 8 && bytes.readUInt16BE(0) % 31 === 0
  return hasZlibHeader ? inflateSync(bytes, options) : inflateRawSync(bytes, options)
}
