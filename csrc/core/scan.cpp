#include "core/scan.hpp"

#include <bit>
#include <cstring>

namespace dnafast {
namespace {

// Sliding by one costs about as much as counting this many bases anew.
constexpr std::int64_t steps_per_count = 32;

std::int64_t count_gc(const std::uint8_t* packed, std::int64_t start, std::int64_t end) {
  // C and G are 01 and 11 in .2bit: the low bit of each pair tells them from T (00) and A (10).
  constexpr std::uint64_t low_bits = 0x5555555555555555;
  if (start >= end) return 0;
  const std::uint8_t* byte = packed + start / 4;
  const std::uint8_t* last = packed + (end - 1) / 4;
  const unsigned head = 0xFFU >> (2 * (start % 4));
  const unsigned tail = 0xFFU << (2 * (3 - (end - 1) % 4)) & 0xFFU;
  if (byte == last) return std::popcount(*byte & head & tail & 0x55U);
  std::int64_t count = std::popcount(*byte & head & 0x55U) + std::popcount(*last & tail & 0x55U);
  ++byte;
  // Three words fit the two bits of a pair, and twice that the four bits of a nibble; then bytes, then one product.
  for (; last - byte >= 48; byte += 48) {
    std::uint64_t words[6];
    std::memcpy(words, byte, 48);
    const std::uint64_t a = (words[0] & low_bits) + (words[1] & low_bits) + (words[2] & low_bits);
    const std::uint64_t b = (words[3] & low_bits) + (words[4] & low_bits) + (words[5] & low_bits);
    constexpr std::uint64_t pairs = 0x3333333333333333;
    constexpr std::uint64_t nibbles = 0x0F0F0F0F0F0F0F0F;
    const std::uint64_t four = (a & pairs) + (a >> 2 & pairs) + (b & pairs) + (b >> 2 & pairs);
    const std::uint64_t eight = (four & nibbles) + (four >> 4 & nibbles);
    count += static_cast<std::int64_t>(eight * 0x0101010101010101 >> 56);
  }
  for (; last - byte >= 8; byte += 8) {
    std::uint64_t word;
    std::memcpy(&word, byte, 8);
    count += std::popcount(word & low_bits);
  }
  for (; byte < last; ++byte) count += std::popcount(*byte & 0x55U);
  return count;
}

}  // namespace

// What lies packed under an unknown block means nothing: it is taken out of the count again.
Content content_of(const Contig& contig, std::int64_t start, std::int64_t end) {
  Content content{count_gc(contig.packed, start, end), 0};
  auto block = std::upper_bound(contig.unknown.begin(), contig.unknown.end(), start,
                                [](std::int64_t position, const Interval& b) { return position < b.end; });
  for (; block != contig.unknown.end() && block->start < end; ++block) {
    const std::int64_t first = std::max<std::int64_t>(block->start, start);
    const std::int64_t last = std::min<std::int64_t>(block->end, end);
    content.gc -= count_gc(contig.packed, first, last);
    content.unknown += last - first;
  }
  return content;
}

Scan::Scan(const Contig& contig, std::uint32_t index, const NegativeRequest& request, Purpose purpose,
           const std::vector<Place>& taken, std::vector<Lowest>& bins)
    : contig_(contig), index_(index), request_(request), purpose_(purpose), taken_(taken), bins_(bins) {
  // Sliding by one changes the count of G+C by at most one, so steps_[count] starts can be passed over at once.
  const auto counts = static_cast<std::size_t>(request.length) + 1;
  steps_.assign(counts, request.length);
  std::int64_t since = request.length;
  for (std::size_t count = 0; count < counts; ++count) {
    since = bin(static_cast<std::int64_t>(count), request.length).wanted() ? 0 : since + 1;
    steps_[count] = std::min(steps_[count], since);
  }
  since = request.length;
  for (std::size_t count = counts; count-- > 0;) {
    since = steps_[count] == 0 ? 0 : since + 1;
    steps_[count] = std::min(steps_[count], since);
  }
}

void Scan::run(Stretch starts) {
  const std::int64_t reach = request_.length - 1;
  auto block = std::upper_bound(contig_.unknown.begin(), contig_.unknown.end(), starts.start,
                                [](std::int64_t position, const Interval& b) { return position < b.end; });
  for (; block != contig_.unknown.end() && starts.start < starts.end; ++block) {
    // First start from which the block is in reach, and the first past it.
    const std::int64_t near = std::clamp<std::int64_t>(std::int64_t{block->start} - reach, starts.start, starts.end);
    const std::int64_t past = std::clamp<std::int64_t>(block->end, near, starts.end);
    run_known({starts.start, near});
    run_mixed({near, past}, *block);
    starts.start = past;
  }
  run_known(starts);
}

// No window of these starts holds an unknown base.
void Scan::run_known(Stretch starts) {
  const std::int64_t length = request_.length;
  std::int64_t start = starts.start;
  if (start >= starts.end) return;
  std::int64_t gc = count_gc(contig_.packed, start, start + length);
  for (;;) {
    const std::int64_t step = steps_[static_cast<std::size_t>(gc)];
    if (step == 0) offer(bin(gc, length), start);
    const std::int64_t next = start + std::max<std::int64_t>(step, 1);
    if (next >= starts.end) return;
    if (step * steps_per_count < length) {
      for (; start < next; ++start) gc += is_gc(start + length) - is_gc(start);
    } else {
      start = next;
      gc = count_gc(contig_.packed, start, start + length);
    }
  }
}

// The block is in reach of every window of these starts.
void Scan::run_mixed(Stretch starts, const Interval& block) {
  const std::int64_t length = request_.length;
  for (std::int64_t start = starts.start; start < starts.end; ++start) {
    const Content content = content_of(contig_, start, start + length);
    if (content.unknown > request_.max_unknown) {
      // Sliding by one loses at most one unknown base.
      start += content.unknown - request_.max_unknown - 1;
      continue;
    }
    Lowest& own = bin(content.gc, length - content.unknown);
    if (own.wanted()) {
      offer(own, start);
    } else if (start >= block.start && start + length < block.end) {
      start = block.end - length - 1;  // nothing but unknown bases up to here
    }
  }
}

void Scan::offer(Lowest& own, std::int64_t start) {
  const Place place = place_of(index_, start);
  if (std::binary_search(taken_.begin(), taken_.end(), place)) return;
  own.offer({keyed(request_.seed, 0, place, purpose_), place});
}

}  // namespace dnafast
