#include "core/labelling.hpp"

#include <algorithm>
#include <cmath>
#include <cstring>
#include <limits>
#include <optional>
#include <stdexcept>
#include <string>
#include <tuple>

#include "core/parallel.hpp"

namespace dnafast {
namespace {

// Labels that are written by one thread at a time: they fit its cache.
constexpr std::size_t block_labels = 1 << 18;
constexpr std::size_t least_block_rows = 256;

// Peaks on the way while one is looked up in the windows: waiting for memory is most of the cost.
constexpr std::size_t peaks_ahead = 16;

// Coordinates beyond these are taken as these, so that no sum of them overflows.
constexpr std::int64_t farthest = std::int64_t{1} << 61;

struct Peak {
  std::int32_t contig;
  std::int64_t start;
  std::int64_t end;

  bool operator<(const Peak& other) const {
    return contig != other.contig ? contig < other.contig : start < other.start;
  }
};

// The peaks on the windows' contigs that hold a base, sorted by contig and start.
std::vector<Peak> sorted_peaks(const PeakColumns& table) {
  std::vector<Peak> peaks;
  peaks.reserve(table.contig.size());
  for (std::size_t i = 0; i < table.contig.size(); ++i) {
    const auto number = static_cast<std::size_t>(table.contig[i]);
    if (number >= table.windows_contig.size()) {
      throw std::invalid_argument("peaks.contig holds " + std::to_string(table.contig[i]) + ", which is none of the " +
                                  std::to_string(table.windows_contig.size()) + " contigs");
    }
    const std::int32_t contig = table.windows_contig[number];
    const std::int64_t start = std::max(table.start[i], -farthest);
    const std::int64_t end = std::min(table.end[i], farthest);
    if (contig >= 0 && start < end) peaks.push_back({contig, start, end});
  }
  if (!std::is_sorted(peaks.begin(), peaks.end())) std::sort(peaks.begin(), peaks.end());
  return peaks;
}

// Fewest shared bases for which shared / shorter, as a double, holds: shorter + 1 where not even all of them do.
// `guess` is near it; `holds` is monotone.
template <class Holds>
std::int64_t fewest(double guess, std::int64_t shorter, Holds holds) {
  const auto share = [shorter](std::int64_t bases) {
    return static_cast<double>(bases) / static_cast<double>(shorter);
  };
  std::int64_t bases = std::clamp<std::int64_t>(static_cast<std::int64_t>(guess), 1, shorter);
  while (bases > 1 && holds(share(bases - 1))) --bases;
  while (bases <= shorter && !holds(share(bases))) ++bases;
  return bases;
}

// The windows of one contig, and how to find the first that starts at or behind a position.
class Search {
 public:
  Search(const WindowOrder& windows, std::size_t contig) : starts_(windows.starts()) {
    std::tie(begin_, end_) = windows.on_contig(contig);
    if (end_ > begin_ + 1) {
      const auto span = static_cast<double>(starts_[end_ - 1]) - static_cast<double>(starts_[begin_]);
      windows_per_base_ = (end_ - 1 - begin_) / std::max(span, 1.0);
    }
  }

  std::uint32_t begin() const { return begin_; }

  // First place whose start is not below `position`, or the end. `near` is a place not far away, or the end: from there
  // the even steps of tiles tell where to look, in few cache lines of a large table.
  std::uint32_t operator()(std::int64_t position, std::uint32_t near) const {
    return begin_ == end_ ? end_ : from(position, guess(position, near));
  }

  // The memory that a search will look at first.
  const std::int64_t* first_look(std::int64_t position, std::uint32_t near) const {
    return begin_ == end_ ? nullptr : &starts_[guess(position, near)];
  }

 private:
  std::uint32_t guess(std::int64_t position, std::uint32_t near) const {
    near = std::min(near, end_ - 1);
    const double bases = static_cast<double>(position) - static_cast<double>(starts_[near]);
    const double place = near + std::ceil(bases * windows_per_base_);
    return static_cast<std::uint32_t>(std::clamp<double>(place, begin_, end_ - 1));
  }

  // Steps of doubling width away from `hint` until the place lies between two of them.
  std::uint32_t from(std::int64_t position, std::uint32_t hint) const {
    // 64 bits, for the steps may overshoot.
    std::uint64_t low = begin_;
    std::uint64_t high = end_;
    std::uint64_t step = 1;
    if (starts_[hint] < position) {
      low = std::uint64_t{hint} + 1;
      while (low + step <= high && starts_[low + step - 1] < position) {
        low += step;
        step *= 2;
      }
      high = std::min(high, low + step);
    } else {
      high = hint;
      while (low + step <= high && starts_[high - step] >= position) {
        high -= step;
        step *= 2;
      }
      if (low + step <= high) low = high - step + 1;
    }
    const auto first = starts_.begin() + static_cast<std::ptrdiff_t>(low);
    const auto last = starts_.begin() + static_cast<std::ptrdiff_t>(high);
    return static_cast<std::uint32_t>(std::lower_bound(first, last, position) - starts_.begin());
  }

  std::span<const std::int64_t> starts_;
  std::uint32_t begin_ = 0;
  std::uint32_t end_ = 0;
  double windows_per_base_ = 0;
};

}  // namespace

WindowOrder::WindowOrder(std::span<const std::int32_t> contig, std::span<const std::int64_t> start, std::size_t contigs,
                         int threads)
    : first_(contigs + 1, 0), start_(start) {
  if (contig.size() > std::numeric_limits<std::uint32_t>::max()) {
    throw std::invalid_argument("at most 4294967295 windows can be labelled at once, not " +
                                std::to_string(contig.size()));
  }
  bool in_order = true;
  for (std::size_t i = 0; i < contig.size(); ++i) {
    const std::int32_t here = contig[i];
    if (here < 0 || static_cast<std::size_t>(here) >= contigs) {
      throw std::invalid_argument("windows.contig holds " + std::to_string(here) + ", which is none of the " +
                                  std::to_string(contigs) + " contigs");
    }
    ++first_[static_cast<std::size_t>(here) + 1];
    in_order = in_order && (i == 0 || contig[i - 1] < here || (contig[i - 1] == here && start[i - 1] <= start[i]));
  }
  for (std::size_t c = 0; c < contigs; ++c) first_[c + 1] += first_[c];
  if (!in_order) sort(contig, start, threads);
}

void WindowOrder::sort(std::span<const std::int32_t> contig, std::span<const std::int64_t> start, int threads) {
  struct Window {
    std::int64_t start;
    std::uint32_t row;
  };
  std::vector<Window> ordered(contig.size());
  std::vector<std::uint32_t> next(first_.begin(), first_.end() - 1);
  for (std::size_t i = 0; i < contig.size(); ++i) {
    ordered[next[static_cast<std::size_t>(contig[i])]++] = {start[i], static_cast<std::uint32_t>(i)};
  }
  sorted_.resize(contig.size());
  row_.resize(contig.size());
  parallel_for(contigs(), 1, threads, [&](std::size_t begin, std::size_t end) {
    const auto first = ordered.begin() + first_[begin];
    const auto last = ordered.begin() + first_[end];
    for (std::size_t c = begin; c < end; ++c) {
      std::sort(ordered.begin() + first_[c], ordered.begin() + first_[c + 1],
                [](const Window& a, const Window& b) { return a.start < b.start; });
    }
    for (auto window = first; window < last; ++window) {
      const auto place = static_cast<std::size_t>(window - ordered.begin());
      sorted_[place] = window->start;
      row_[place] = window->row;
    }
  });
  start_ = sorted_;
}

void expand_row(const SparseRows& labels, std::uint64_t row, std::int8_t* out) {
  const std::int64_t begin = labels.indptr[row];
  const std::int64_t end = labels.indptr[row + 1];
  if (begin < 0 || end < begin || static_cast<std::size_t>(end) > labels.data.size()) {
    throw std::invalid_argument("labels: row " + std::to_string(row) + " has cells " + std::to_string(begin) + " to " +
                                std::to_string(end) + " of " + std::to_string(labels.data.size()));
  }
  std::memset(out, 0, labels.tasks);
  for (std::int64_t cell = begin; cell < end; ++cell) {
    const std::int32_t task = labels.indices[static_cast<std::size_t>(cell)];
    if (task < 0 || static_cast<std::size_t>(task) >= labels.tasks) {
      throw std::invalid_argument("labels: row " + std::to_string(row) + " names task " + std::to_string(task) +
                                  " of " + std::to_string(labels.tasks));
    }
    out[task] = labels.data[static_cast<std::size_t>(cell)];
  }
}

OverlapLabels::OverlapLabels(const WindowOrder& windows, std::int64_t length, std::span<const PeakColumns> tables,
                             const Thresholds& thresholds, int threads)
    : windows_(windows), tables_(tables.size()) {
  parallel_for(tables.size(), 1, threads, [&](std::size_t begin, std::size_t end) {
    for (std::size_t t = begin; t < end; ++t) tables_[t] = prepare(windows, length, tables[t], thresholds);
  });
}

OverlapLabels::Table OverlapLabels::prepare(const WindowOrder& windows, std::int64_t length, const PeakColumns& peaks,
                                            const Thresholds& thresholds) {
  std::vector<Stretch> labelled;
  std::vector<Stretch> positive;
  std::int32_t contig = -1;
  std::optional<Search> search;
  std::uint32_t last = 0;
  const std::vector<Peak> sorted = sorted_peaks(peaks);
  for (std::size_t i = 0; i < sorted.size(); ++i) {
    const Peak& peak = sorted[i];
    if (peak.contig != contig) {
      contig = peak.contig;
      search.emplace(windows, static_cast<std::size_t>(contig));
      last = search->begin();
    }
    if (i + peaks_ahead < sorted.size()) {
      // Here and not in a function of its own: GCC 12 drops the call of one that does nothing else.
      __builtin_prefetch(search->first_look(sorted[i + peaks_ahead].start, last));
    }
    const std::int64_t shorter = std::min(length, peak.end - peak.start);
    const auto size = static_cast<double>(shorter);
    const std::int64_t enough = fewest(std::ceil(thresholds.positive * size), shorter,
                                       [&](double share) { return share >= thresholds.positive; });
    const std::int64_t some = std::min(enough, fewest(std::floor(thresholds.negative * size) + 1, shorter,
                                                      [&](double share) { return share > thresholds.negative; }));
    // Windows that share at least so many bases start here.
    const auto stretch = [&](std::int64_t shared, std::uint32_t from) {
      const std::uint32_t first = (*search)(peak.start + shared - length, from);
      return Stretch{first, (*search)(peak.end - shared + 1, first)};
    };
    const Stretch near = stretch(some, last);
    last = near.first;
    if (near.first == near.behind) continue;
    labelled.push_back(near);
    const Stretch inside = stretch(enough, near.first);
    if (inside.first < inside.behind) positive.push_back(inside);
  }
  return {joined(labelled), joined(positive)};
}

// Sorts, and joins those that overlap or touch; no longer than it need be.
std::vector<OverlapLabels::Stretch> OverlapLabels::joined(std::vector<Stretch>& stretches) {
  const auto before = [](const Stretch& a, const Stretch& b) { return a.first < b.first; };
  if (!std::is_sorted(stretches.begin(), stretches.end(), before)) {
    std::sort(stretches.begin(), stretches.end(), before);
  }
  std::size_t kept = 0;
  for (const Stretch& stretch : stretches) {
    if (kept > 0 && stretch.first <= stretches[kept - 1].behind) {
      stretches[kept - 1].behind = std::max(stretches[kept - 1].behind, stretch.behind);
    } else {
      stretches[kept++] = stretch;
    }
  }
  return {stretches.begin(), stretches.begin() + static_cast<std::ptrdiff_t>(kept)};
}

// Calls visit(first, behind, label) for the stretches of windows in [begin, end) that have one label other than 0.
template <class Visit>
void OverlapLabels::visit_labels(const Table& table, std::uint32_t begin, std::uint32_t end, Visit visit) {
  const auto ends_before = [begin](const Stretch& stretch) { return stretch.behind <= begin; };
  auto labelled = std::partition_point(table.labelled.begin(), table.labelled.end(), ends_before);
  auto positive = std::partition_point(table.positive.begin(), table.positive.end(), ends_before);
  for (; labelled != table.labelled.end() && labelled->first < end; ++labelled) {
    std::uint32_t at = std::max(begin, labelled->first);
    const std::uint32_t behind = std::min(end, labelled->behind);
    for (; positive != table.positive.end() && positive->first < behind; ++positive) {
      const std::uint32_t first = std::max(at, positive->first);
      if (at < first) visit(at, first, std::int8_t{-1});
      at = std::min(behind, positive->behind);
      visit(first, at, std::int8_t{1});
    }
    if (at < behind) visit(at, behind, std::int8_t{-1});
  }
}

// Calls body(begin, end) for pieces of the windows, in order, on several threads.
template <class Body>
void OverlapLabels::for_each_block(int threads, Body body) const {
  const std::size_t rows = std::max(least_block_rows, block_labels / std::max<std::size_t>(1, tables_.size()));
  parallel_for(windows_.size(), rows, threads, [&](std::size_t begin, std::size_t end) {
    for (; begin < end; begin += rows) {
      body(static_cast<std::uint32_t>(begin), static_cast<std::uint32_t>(std::min(end, begin + rows)));
    }
  });
}

void OverlapLabels::write_dense(std::span<std::int8_t> out, int threads) const {
  for_each_block(threads, [&](std::uint32_t begin, std::uint32_t end) {
    for (std::size_t task = 0; task < tasks(); ++task) {
      visit_labels(tables_[task], begin, end, [&](std::uint32_t first, std::uint32_t behind, std::int8_t label) {
        for (std::uint32_t place = first; place < behind; ++place) out[windows_.row(place) * tasks() + task] = label;
      });
    }
  });
}

void OverlapLabels::count(std::span<std::int64_t> indptr, int threads) const {
  indptr[0] = 0;
  for_each_block(threads, [&](std::uint32_t begin, std::uint32_t end) {
    std::vector<std::int64_t> cells(end - begin, 0);
    for (const Table& table : tables_) {
      visit_labels(table, begin, end, [&](std::uint32_t first, std::uint32_t behind, std::int8_t) {
        for (std::uint32_t place = first; place < behind; ++place) ++cells[place - begin];
      });
    }
    for (std::uint32_t place = begin; place < end; ++place) indptr[windows_.row(place) + 1] = cells[place - begin];
  });
  for (std::size_t row = 1; row < indptr.size(); ++row) indptr[row] += indptr[row - 1];
}

void OverlapLabels::write_sparse(std::span<const std::int64_t> indptr, std::span<std::int32_t> indices,
                                 std::span<std::int8_t> data, int threads) const {
  for_each_block(threads, [&](std::uint32_t begin, std::uint32_t end) {
    std::vector<std::size_t> next(end - begin);
    for (std::uint32_t place = begin; place < end; ++place) {
      next[place - begin] = static_cast<std::size_t>(indptr[windows_.row(place)]);
    }
    for (std::size_t task = 0; task < tasks(); ++task) {
      visit_labels(tables_[task], begin, end, [&](std::uint32_t first, std::uint32_t behind, std::int8_t label) {
        for (std::uint32_t place = first; place < behind; ++place) {
          const std::size_t cell = next[place - begin]++;
          indices[cell] = static_cast<std::int32_t>(task);
          data[cell] = label;
        }
      });
    }
  });
}

}  // namespace dnafast
