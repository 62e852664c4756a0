#include "core/loader.hpp"

#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <chrono>
#include <cstring>
#include <new>
#include <stdexcept>
#include <string>

#include "core/random.hpp"

namespace dnafast {
namespace {

// Work that a thread takes at a time, in bytes read or written: long beside taking a lock, short beside a batch.
constexpr std::size_t chunk_bytes = 1 << 18;

constexpr auto block_alignment = std::align_val_t{64};

std::int64_t thread_cpu_nanoseconds() {
  timespec now{};
  clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
  return std::int64_t{now.tv_sec} * 1'000'000'000 + now.tv_nsec;
}

// Where a window begins after its jitter. Where the shift would carry it over an end of its contig, it stops there.
std::int64_t jittered_start(const LoadPlan& plan, std::uint64_t row, std::int64_t contig_length) {
  const std::int64_t start = plan.windows.start[row];
  if (plan.jitter == 0) return start;
  const std::uint64_t bits = keyed(plan.seed, plan.epoch, row, Purpose::jitter);
  const auto shift =
      static_cast<std::int64_t>(below(bits, 2 * static_cast<std::uint64_t>(plan.jitter) + 1)) - plan.jitter;
  // A window that was cut over the end (edge="pad") does not get further out.
  const std::int64_t lowest = std::min<std::int64_t>(start, 0);
  const std::int64_t highest = std::max(start, contig_length - plan.length);
  // Unsigned, so that a start far outside every contig overflows in a defined way.
  const auto shifted = static_cast<std::int64_t>(static_cast<std::uint64_t>(start) + static_cast<std::uint64_t>(shift));
  return std::clamp(shifted, lowest, highest);
}

bool reads_reverse(const LoadPlan& plan, std::uint64_t row) {
  const bool own = plan.windows.strand[row] < 0;
  switch (plan.reverse_complement) {
    case ReverseComplement::never:
      return own;
    case ReverseComplement::always:
      return !own;
    case ReverseComplement::random:
      return own != (keyed(plan.seed, plan.epoch, row, Purpose::strand) >> 63 != 0);
  }
  throw std::logic_error("no such policy for the reverse complement");
}

}  // namespace

std::size_t x_row_bytes(const LoadPlan& plan) {
  return plan.encoding ? row_bytes(*plan.encoding, plan.length) : sizeof(Place);
}

void fill_batch(const LoadPlan& plan, const BatchTarget& target, std::size_t begin, std::size_t end, Scratch& scratch) {
  plan.genome->check();
  const std::span<const Contig> contigs = plan.genome->contigs();
  const Permutation order(plan.windows.contig.size(), plan.seed, plan.epoch, Purpose::shuffle);
  const std::size_t x_bytes = x_row_bytes(plan);
  for (std::size_t i = begin; i < end; ++i) {
    const std::uint64_t position = target.first + i;
    const std::uint64_t row = plan.shuffle ? order(position) : position;
    const std::size_t number = contig_number(contigs.size(), plan.windows, row);
    const Contig& contig = contigs[number];
    const std::int64_t start = jittered_start(plan, row, contig.length);
    const bool reverse = reads_reverse(plan, row);
    std::byte* x = target.x + i * x_bytes;
    if (plan.encoding) {
      encode_row(contig, start, plan.length, reverse, *plan.encoding, x, scratch);
    } else {
      const Place place{static_cast<std::int64_t>(number), start};
      std::memcpy(x, &place, sizeof place);
    }
    if (plan.labels != nullptr) {
      std::memcpy(target.y + i * plan.label_bytes, plan.labels + row * plan.label_bytes, plan.label_bytes);
    } else if (plan.sparse_labels) {
      expand_row(*plan.sparse_labels, row, reinterpret_cast<std::int8_t*>(target.y + i * plan.label_bytes));
    }
    target.index[i] = static_cast<std::int64_t>(row);
    target.strand[i] = reverse ? -1 : 1;
  }
}

Prefetcher::Prefetcher(const LoadPlan& plan, int threads) : state_(std::make_unique<State>()), owner_(getpid()) {
  State& state = *state_;
  state.plan = plan;
  const std::size_t bases_read = plan.encoding ? static_cast<std::size_t>(plan.length) : 0;
  const std::size_t row_work = std::max(x_row_bytes(plan), bases_read);
  state.chunk_rows = std::max<std::size_t>(1, chunk_bytes / std::max<std::size_t>(1, row_work));
  const auto count = static_cast<std::size_t>(std::max(threads, 0));
  state.cpu_nanoseconds = std::vector<std::atomic<std::int64_t>>(std::max<std::size_t>(count, 1));
  try {
    for (std::size_t i = 0; i < count; ++i) state.threads.emplace_back(serve, std::ref(state), i);
  } catch (...) {
    stop();
    throw;
  }
}

Prefetcher::~Prefetcher() {
  stop();
  if (forked()) static_cast<void>(state_.release());
}

// The parent's threads are not here to be joined, and its mutex may be locked for good.
bool Prefetcher::forked() const { return getpid() != owner_; }

void Prefetcher::submit(const BatchTarget& target) {
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    state.jobs.push_back({target});
  }
  if (target.rows > state.chunk_rows) {
    state.work.notify_all();
  } else {
    state.work.notify_one();
  }
}

bool Prefetcher::wait_front(int milliseconds) {
  State& state = *state_;
  if (state.threads.empty()) {
    fill_front();
    return true;
  }
  std::unique_lock lock(state.mutex);
  if (state.jobs.empty()) throw std::logic_error("no batch was submitted");
  const auto done = [&state] { return state.error || state.jobs.front().finished == state.jobs.front().target.rows; };
  if (!state.ready.wait_for(lock, std::chrono::milliseconds(milliseconds), done)) return false;
  if (state.error) std::rethrow_exception(state.error);
  state.jobs.pop_front();
  if (state.untouched > 0) --state.untouched;
  return true;
}

void Prefetcher::fill_front() {
  State& state = *state_;
  if (state.jobs.empty()) throw std::logic_error("no batch was submitted");
  const BatchTarget target = state.jobs.front().target;
  state.jobs.pop_front();
  const std::int64_t before = thread_cpu_nanoseconds();
  Scratch scratch;
  fill_batch(state.plan, target, 0, target.rows, scratch);
  state.cpu_nanoseconds[0].fetch_add(thread_cpu_nanoseconds() - before, std::memory_order_relaxed);
}

void Prefetcher::stop() {
  if (forked()) return;
  State& state = *state_;
  {
    const std::lock_guard lock(state.mutex);
    state.stopping = true;
  }
  state.work.notify_all();
  for (std::thread& thread : state.threads) {
    if (thread.joinable()) thread.join();
  }
}

double Prefetcher::cpu_seconds() const {
  std::int64_t total = 0;
  for (const auto& nanoseconds : state_->cpu_nanoseconds) total += nanoseconds.load(std::memory_order_relaxed);
  return 1e-9 * static_cast<double>(total);
}

void Prefetcher::serve(State& state, std::size_t thread) {
  Scratch scratch;
  std::unique_lock lock(state.mutex);
  for (;;) {
    state.work.wait(lock, [&state] { return state.stopping || state.untouched < state.jobs.size(); });
    if (state.stopping) break;
    Job& job = state.jobs[state.untouched];
    const std::size_t begin = job.next;
    const std::size_t end = std::min(job.target.rows, begin + state.chunk_rows);
    job.next = end;
    if (end == job.target.rows) ++state.untouched;
    lock.unlock();
    std::exception_ptr error;
    try {
      fill_batch(state.plan, job.target, begin, end, scratch);
    } catch (...) {
      error = std::current_exception();
    }
    state.cpu_nanoseconds[thread].store(thread_cpu_nanoseconds(), std::memory_order_relaxed);
    lock.lock();
    if (error && !state.error) state.error = error;
    job.finished += end - begin;
    if (state.error || job.finished == job.target.rows) state.ready.notify_one();
  }
  lock.unlock();
  state.cpu_nanoseconds[thread].store(thread_cpu_nanoseconds(), std::memory_order_relaxed);
}

BlockPool::~BlockPool() {
  for (std::byte* block : free_) release(block);
}

std::byte* BlockPool::take() {
  {
    const std::lock_guard lock(mutex_);
    if (!free_.empty()) {
      std::byte* block = free_.back();
      free_.pop_back();
      return block;
    }
  }
  return static_cast<std::byte*>(::operator new(bytes_, block_alignment));
}

void BlockPool::give_back(std::byte* block) {
  {
    const std::lock_guard lock(mutex_);
    if (free_.size() < free_.capacity()) {
      free_.push_back(block);
      return;
    }
  }
  release(block);
}

void BlockPool::release(std::byte* block) { ::operator delete(block, block_alignment); }

}  // namespace dnafast
