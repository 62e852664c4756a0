#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <utility>
#include <vector>

namespace dnafast {

// Columns of a table of peaks; windows_contig gives the windows' number of each of the table's contigs, -1 for one that
// they lack.
struct PeakColumns {
  std::span<const std::int32_t> contig;
  std::span<const std::int64_t> start;
  std::span<const std::int64_t> end;
  std::span<const std::int32_t> windows_contig;
};

// A window is labelled 1 where its overlap reaches `positive`, else -1 where it is above `negative`, else 0.
struct Thresholds {
  double positive;
  double negative;
};

// Windows of one length in the order of contig and start, whatever the order of the table's rows.
class WindowOrder {
 public:
  // Contig numbers are checked to lie below `contigs`. Where the table is in order already, only its starts are looked
  // at, and nothing is copied: the columns must outlive this. Throws std::invalid_argument.
  WindowOrder(std::span<const std::int32_t> contig, std::span<const std::int64_t> start, std::size_t contigs,
              int threads);

  std::uint32_t size() const { return static_cast<std::uint32_t>(start_.size()); }
  std::size_t contigs() const { return first_.size() - 1; }

  // Starts of all windows in order: ascending on each contig.
  std::span<const std::int64_t> starts() const { return start_; }

  // Places in the order, [first, second), of a contig's windows.
  std::pair<std::uint32_t, std::uint32_t> on_contig(std::size_t contig) const {
    return {first_[contig], first_[contig + 1]};
  }

  // The table's row of a place in the order.
  std::uint32_t row(std::uint32_t place) const { return row_.empty() ? place : row_[place]; }

 private:
  void sort(std::span<const std::int32_t> contig, std::span<const std::int64_t> start, int threads);

  std::vector<std::uint32_t> first_;  // place of each contig's first window, and their number
  std::vector<std::uint32_t> row_;    // empty where a place is its row
  std::vector<std::int64_t> sorted_;  // storage of start_ where the table is not in order
  std::span<const std::int64_t> start_;
};

// Labels other than 0, as rows of the window table with one another's cells (compressed sparse rows).
struct SparseRows {
  std::span<const std::int64_t> indptr;   // rows + 1: where the cells of each row begin
  std::span<const std::int32_t> indices;  // task of each cell
  std::span<const std::int8_t> data;      // label of each cell
  std::size_t tasks = 0;
};

// Writes a row's labels, `tasks` of them. Throws std::invalid_argument where the arrays contradict one another.
void expand_row(const SparseRows& labels, std::uint64_t row, std::int8_t* out);

// Labels of windows from several tables of peaks, a task each.
//
// The overlap of a window and a peak, in bases over the shorter of the two, reaches a threshold exactly where the
// window starts in an interval that depends on the peak alone. So no pairs are looked at: a table becomes two lists of
// stretches of windows, and nested, repeated or very long peaks cost no more than others.
class OverlapLabels {
 public:
  OverlapLabels(const WindowOrder& windows, std::int64_t length, std::span<const PeakColumns> tables,
                const Thresholds& thresholds, int threads);

  std::size_t tasks() const { return tables_.size(); }

  // Writes the labels that are not 0 into rows of `tasks` labels.
  void write_dense(std::span<std::int8_t> out, int threads) const;

  // Fills the row pointers, windows + 1.
  void count(std::span<std::int64_t> indptr, int threads) const;

  // Fills the cells that count() made room for, tasks ascending in each row.
  void write_sparse(std::span<const std::int64_t> indptr, std::span<std::int32_t> indices, std::span<std::int8_t> data,
                    int threads) const;

 private:
  // Places [first, behind) of windows.
  struct Stretch {
    std::uint32_t first;
    std::uint32_t behind;
  };

  // Stretches in order and apart. What is positive is labelled, too.
  struct Table {
    std::vector<Stretch> labelled;
    std::vector<Stretch> positive;
  };

  static Table prepare(const WindowOrder& windows, std::int64_t length, const PeakColumns& peaks,
                       const Thresholds& thresholds);
  static std::vector<Stretch> joined(std::vector<Stretch>& stretches);

  template <class Visit>
  static void visit_labels(const Table& table, std::uint32_t begin, std::uint32_t end, Visit visit);
  template <class Body>
  void for_each_block(int threads, Body body) const;

  const WindowOrder& windows_;
  std::vector<Table> tables_;
};

}  // namespace dnafast
