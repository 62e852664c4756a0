#include "core/allowed.hpp"

namespace dnafast {
namespace {

// Sorts, and joins those that overlap or touch.
void join(std::vector<Stretch>& stretches) {
  std::sort(stretches.begin(), stretches.end(), [](const Stretch& a, const Stretch& b) { return a.start < b.start; });
  std::size_t kept = 0;
  for (const Stretch& stretch : stretches) {
    if (kept > 0 && stretch.start <= stretches[kept - 1].end) {
      stretches[kept - 1].end = std::max(stretches[kept - 1].end, stretch.end);
    } else {
      stretches[kept++] = stretch;
    }
  }
  stretches.resize(kept);
}

// What is left of the joined `from` without the joined `without`.
std::vector<Stretch> subtract(const std::vector<Stretch>& from, const std::vector<Stretch>& without) {
  std::vector<Stretch> left;
  std::size_t first = 0;
  for (Stretch stretch : from) {
    while (first < without.size() && without[first].end <= stretch.start) ++first;
    for (std::size_t i = first; i < without.size() && without[i].start < stretch.end; ++i) {
      if (without[i].start > stretch.start) left.push_back({stretch.start, without[i].start});
      stretch.start = without[i].end;
    }
    if (stretch.start < stretch.end) left.push_back(stretch);
  }
  return left;
}

// Adds a table's intervals, clipped to the contigs, to the stretches of each contig. Empty intervals touch nothing.
void add_table(const Genome& genome, const IntervalTable& table, std::vector<std::vector<Stretch>>& stretches) {
  for (std::size_t row = 0; row < table.contig.size(); ++row) {
    const auto contig = static_cast<std::size_t>(table.contig[row]);
    const std::int64_t length = genome.contigs()[contig].length;
    const Stretch clipped{std::max<std::int64_t>(table.start[row], 0), std::min(table.end[row], length)};
    if (clipped.start < clipped.end) stretches[contig].push_back(clipped);
  }
}

}  // namespace

AllowedStarts::AllowedStarts(const Genome& genome, std::int64_t length, std::int64_t max_unknown,
                             std::span<const IntervalTable> forbidden_tables,
                             const std::optional<IntervalTable>& within_table) {
  const auto contigs = genome.contigs();
  std::vector<std::vector<Stretch>> forbidden(contigs.size());
  for (const IntervalTable& table : forbidden_tables) add_table(genome, table, forbidden);
  std::vector<std::vector<Stretch>> within(contigs.size());
  if (within_table) add_table(genome, *within_table, within);

  for (std::size_t c = 0; c < contigs.size(); ++c) {
    first_.push_back(size_);
    std::vector<Stretch>& room = within[c];
    if (!within_table) room.push_back({0, contigs[c].length});
    join(room);
    // From bases to starts: a window must end inside its room, and begin where it does not reach what is forbidden.
    for (Stretch& stretch : room) stretch.end -= length - 1;
    std::erase_if(room, [](const Stretch& stretch) { return stretch.start >= stretch.end; });
    for (Stretch& stretch : forbidden[c]) stretch.start -= length - 1;
    if (length > max_unknown) {
      for (const Interval& block : contigs[c].unknown) {
        const std::int64_t start = block.start;
        const std::int64_t end = block.end;
        if (end - start > max_unknown) forbidden[c].push_back({start - (length - 1) + max_unknown, end - max_unknown});
      }
    }
    join(forbidden[c]);
    for (const Stretch& stretch : subtract(room, forbidden[c])) add(static_cast<std::uint32_t>(c), stretch);
  }
  first_.push_back(size_);
  build_index();
}

Place AllowedStarts::operator[](std::uint64_t number) const {
  const std::size_t i = stretch_of(number);
  return place_of(contig_[i], stretches_[i].start + static_cast<std::int64_t>(number - before_[i]));
}

std::pair<std::uint64_t, std::uint64_t> AllowedStarts::numbers_on(std::size_t contig) const {
  return {first_[contig], first_[contig + 1]};
}

void AllowedStarts::add(std::uint32_t contig, const Stretch& stretch) {
  stretches_.push_back(stretch);
  contig_.push_back(contig);
  before_.push_back(size_);
  size_ += static_cast<std::uint64_t>(stretch.end - stretch.start);
}

// About one bucket a stretch, so that most numbers are a step away from their stretch.
void AllowedStarts::build_index() {
  if (size_ == 0) return;
  while ((size_ >> bucket_shift_) > stretches_.size()) ++bucket_shift_;
  bucket_.resize((size_ >> bucket_shift_) + 2);
  std::uint32_t i = 0;
  for (std::uint64_t bucket = 0; bucket < bucket_.size(); ++bucket) {
    while (i + 1 < before_.size() && before_[i + 1] <= bucket << bucket_shift_) ++i;
    bucket_[bucket] = i;
  }
}

std::size_t AllowedStarts::stretch_of(std::uint64_t number) const {
  const std::uint64_t bucket = number >> bucket_shift_;
  const auto first = before_.begin() + bucket_[bucket];
  const auto last = before_.begin() + bucket_[bucket + 1] + 1;
  return static_cast<std::size_t>(std::upper_bound(first, last, number) - before_.begin()) - 1;
}

}  // namespace dnafast
