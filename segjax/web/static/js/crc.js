// CRC-32, as PNG and zip have it (ISO 3309).

const TABLE = Uint32Array.from({ length: 256 }, (_, n) => {
  for (let i = 0; i < 8; i++) n = n & 1 ? (n >>> 1) ^ 0xedb88320 : n >>> 1;
  return n;
});

/** The checksum of some bytes, an unsigned number of 32 bits. */
export function crc32(bytes) {
  let sum = 0xffffffff;
  for (let i = 0; i < bytes.length; i++) {
    sum = (sum >>> 8) ^ TABLE[(sum ^ bytes[i]) & 255];
  }
  return ~sum >>> 0;
}
