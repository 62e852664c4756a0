#pragma once

#include <atomic>
#include <condition_variable>
#include <cstddef>
#include <cstdint>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <optional>
#include <span>
#include <thread>
#include <vector>

#include "core/encoding.hpp"
#include "core/genome.hpp"
#include "core/labelling.hpp"

namespace dnafast {

// Whether a window is read on the strand opposite to its own.
enum class ReverseComplement : std::uint8_t { never, random, always };

// Where a window is read: a row of x in batches that are encoded elsewhere.
struct Place {
  std::int64_t contig;
  std::int64_t start;  // after the jitter
};

// What the batches of one epoch hold. The windows and labels belong to the caller and outlive the plan's use.
struct LoadPlan {
  std::shared_ptr<const Genome> genome;
  WindowColumns windows;
  std::int64_t length = 0;
  std::optional<Encoding> encoding;   // none: x holds a Place for each row
  const std::byte* labels = nullptr;  // a row of label_bytes for each window, or none
  std::size_t label_bytes = 0;
  std::optional<SparseRows> sparse_labels;  // in their place: rows of label_bytes labels that are expanded here
  bool shuffle = true;
  std::uint64_t seed = 0;
  std::uint64_t epoch = 0;
  std::int64_t jitter = 0;  // bases a window is shifted at most, either way
  ReverseComplement reverse_complement = ReverseComplement::never;
};

// Bytes a row of x.
std::size_t x_row_bytes(const LoadPlan& plan);

// Rows [first, first + rows) of the epoch's stream, and where they go: one row after the other.
struct BatchTarget {
  std::uint64_t first = 0;
  std::size_t rows = 0;
  std::byte* x = nullptr;
  std::byte* y = nullptr;         // unused where the plan has no labels
  std::int64_t* index = nullptr;  // row of the window table
  std::int8_t* strand = nullptr;  // +1 or -1: as read
};

// Writes rows [begin, end) of a batch. Every draw depends on the seed, the epoch and the window's row alone.
void fill_batch(const LoadPlan& plan, const BatchTarget& target, std::size_t begin, std::size_t end, Scratch& scratch);

// Fills batches on its own threads, in the order they were submitted, while the caller does something else.
//
// submit, wait_front and stop are one thread's to call. A forked child has no threads: there the object may only be
// stopped or destroyed, which leaves the parent's state alone.
class Prefetcher {
 public:
  // With 0 threads a batch is filled by the caller, when it is waited for.
  Prefetcher(const LoadPlan& plan, int threads);
  ~Prefetcher();
  Prefetcher(const Prefetcher&) = delete;
  Prefetcher& operator=(const Prefetcher&) = delete;

  // The target's memory must stay until the batch was waited for, or stop() has returned.
  void submit(const BatchTarget& target);

  // Waits for the oldest batch and forgets it; false where it is not ready within the time. Rethrows what a thread
  // threw. Throws std::logic_error where nothing was submitted.
  bool wait_front(int milliseconds);

  // Ends the threads; batches not filled by then stay as they are.
  void stop();

  // Processor time spent on filling so far, by the threads' own clocks.
  double cpu_seconds() const;

 private:
  struct Job {
    BatchTarget target;
    std::size_t next = 0;  // first row that nobody has taken
    std::size_t finished = 0;
  };

  // Everything the threads share, apart from the object so that a forked child can leave it behind untouched.
  struct State {
    LoadPlan plan;
    std::size_t chunk_rows = 1;
    std::mutex mutex;
    std::condition_variable work;
    std::condition_variable ready;
    std::deque<Job> jobs;       // oldest first; references stay valid while jobs are added and removed at the ends
    std::size_t untouched = 0;  // jobs before this one have no rows left to take
    bool stopping = false;
    std::exception_ptr error;
    std::vector<std::atomic<std::int64_t>> cpu_nanoseconds;
    std::vector<std::thread> threads;
  };

  bool forked() const;
  void fill_front();
  static void serve(State& state, std::size_t thread);

  std::unique_ptr<State> state_;
  int owner_;
};

// Blocks of memory for batches, used again once nobody holds them: fresh memory costs a page fault every 4 KiB, which
// is dearer than filling it. May be used from several threads.
class BlockPool {
 public:
  // Keeps up to `kept` blocks that nobody holds.
  BlockPool(std::size_t bytes, std::size_t kept) : bytes_(bytes) { free_.reserve(kept); }
  ~BlockPool();
  BlockPool(const BlockPool&) = delete;
  BlockPool& operator=(const BlockPool&) = delete;

  std::size_t bytes() const { return bytes_; }

  // A block that begins on a cache line. Throws std::bad_alloc.
  std::byte* take();
  void give_back(std::byte* block);

 private:
  static void release(std::byte* block);

  const std::size_t bytes_;
  std::mutex mutex_;
  std::vector<std::byte*> free_;
};

}  // namespace dnafast
