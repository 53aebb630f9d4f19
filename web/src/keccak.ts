/* SPDX-License-Identifier: Apache-2.0 */
// keccak-256 as Ethereum uses it (FIPS 202's permutation with the padding of the original submission). Hashes bytes; reads nothing.

const RATE_BYTES = 136;
const ROUNDS = 24;
const LANES = 25;

// The round constants come from the linear feedback shift register of FIPS 202, 3.2.5; low and high halves of 64 bits.
const [CONSTANTS_LOW, CONSTANTS_HIGH] = roundConstants();
// Offsets of rho and the order of pi follow from walking (x, y) -> (y, 2x + 3y) (FIPS 202, 3.2.2 and 3.2.3).
const [OFFSETS, ORDER] = walk();

function roundConstants(): [Int32Array, Int32Array] {
  const low = new Int32Array(ROUNDS);
  const high = new Int32Array(ROUNDS);
  let register = 1;
  for (let round = 0; round < ROUNDS; round++) {
    for (let power = 0; power < 7; power++) {
      const bit = register & 1;
      register = (register << 1) ^ ((register >> 7) * 0x171);
      const place = (1 << power) - 1;
      if (bit && place < 32) low[round] = low[round]! | (1 << place);
      if (bit && place >= 32) high[round] = high[round]! | (1 << (place - 32));
    }
  }
  return [low, high];
}

function walk(): [Int32Array, Int32Array] {
  const offsets = new Int32Array(LANES);
  const order = new Int32Array(LANES);
  let x = 1;
  let y = 0;
  for (let step = 0; step < LANES - 1; step++) {
    const from = x + 5 * y;
    offsets[from] = (((step + 1) * (step + 2)) / 2) % 64;
    [x, y] = [y, (2 * x + 3 * y) % 5];
    order[from] = x + 5 * y;
  }
  return [offsets, order];
}

function permute(low: Int32Array, high: Int32Array): void {
  const columnLow = new Int32Array(5);
  const columnHigh = new Int32Array(5);
  const movedLow = new Int32Array(LANES);
  const movedHigh = new Int32Array(LANES);
  for (let round = 0; round < ROUNDS; round++) {
    for (let x = 0; x < 5; x++) {
      columnLow[x] = low[x]! ^ low[x + 5]! ^ low[x + 10]! ^ low[x + 15]! ^ low[x + 20]!;
      columnHigh[x] = high[x]! ^ high[x + 5]! ^ high[x + 10]! ^ high[x + 15]! ^ high[x + 20]!;
    }
    for (let lane = 0; lane < LANES; lane++) {
      const x = lane % 5;
      const left = (x + 4) % 5;
      const right = (x + 1) % 5;
      const nowLow = low[lane]! ^ columnLow[left]! ^ ((columnLow[right]! << 1) | (columnHigh[right]! >>> 31));
      const nowHigh = high[lane]! ^ columnHigh[left]! ^ ((columnHigh[right]! << 1) | (columnLow[right]! >>> 31));
      const offset = OFFSETS[lane]!;
      const shift = offset % 32;
      const [first, second] = offset < 32 ? [nowLow, nowHigh] : [nowHigh, nowLow];
      const to = ORDER[lane]!;
      movedLow[to] = shift === 0 ? first : (first << shift) | (second >>> (32 - shift));
      movedHigh[to] = shift === 0 ? second : (second << shift) | (first >>> (32 - shift));
    }
    for (let row = 0; row < LANES; row += 5) {
      for (let x = 0; x < 5; x++) {
        const next = row + ((x + 1) % 5);
        const afterNext = row + ((x + 2) % 5);
        low[row + x] = movedLow[row + x]! ^ (~movedLow[next]! & movedLow[afterNext]!);
        high[row + x] = movedHigh[row + x]! ^ (~movedHigh[next]! & movedHigh[afterNext]!);
      }
    }
    low[0] = low[0]! ^ CONSTANTS_LOW[round]!;
    high[0] = high[0]! ^ CONSTANTS_HIGH[round]!;
  }
}

/** Return the keccak-256 digest of some bytes as 0x and 64 hexadecimal digits. */
export function keccak256(content: Uint8Array): string {
  const low = new Int32Array(LANES);
  const high = new Int32Array(LANES);
  const blocks = Math.floor(content.length / RATE_BYTES) + 1;
  const last = new Uint8Array(RATE_BYTES);
  last.set(content.subarray((blocks - 1) * RATE_BYTES));
  const used = content.length % RATE_BYTES;
  last[used] = last[used]! ^ 0x01;
  last[RATE_BYTES - 1] = last[RATE_BYTES - 1]! ^ 0x80;
  for (let block = 0; block < blocks; block++) {
    const begin = block * RATE_BYTES;
    const bytes = block === blocks - 1 ? last : content.subarray(begin, begin + RATE_BYTES);
    const view = new DataView(bytes.buffer, bytes.byteOffset, RATE_BYTES);
    for (let lane = 0; lane < RATE_BYTES / 8; lane++) {
      low[lane] = low[lane]! ^ view.getInt32(lane * 8, true);
      high[lane] = high[lane]! ^ view.getInt32(lane * 8 + 4, true);
    }
    permute(low, high);
  }
  const digest = new DataView(new ArrayBuffer(32));
  for (let lane = 0; lane < 4; lane++) {
    digest.setInt32(lane * 8, low[lane]!, true);
    digest.setInt32(lane * 8 + 4, high[lane]!, true);
  }
  return "0x" + [...new Uint8Array(digest.buffer)].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}
