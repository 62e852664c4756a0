#include "core/parallel.hpp"

#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <condition_variable>
#include <cstdlib>
#include <cstring>
#include <deque>
#include <exception>
#include <memory>
#include <mutex>
#include <system_error>
#include <thread>

namespace dnafast {
namespace {

using Body = std::function<void(std::size_t, std::size_t)>;

// One call of parallel_for. Whoever works on it takes the next chunk until none is left.
class Job {
 public:
  Job(std::size_t n, std::size_t chunk, const Body& body) : n_(n), chunk_(chunk), unfinished_(n), body_(body) {}

  void work() {
    for (;;) {
      const std::size_t begin = next_.fetch_add(chunk_);
      if (begin >= n_) return;
      const std::size_t end = std::min(n_, begin + chunk_);
      if (!failed_.load(std::memory_order_relaxed)) {
        try {
          body_(begin, end);
        } catch (...) {
          const std::lock_guard lock(mutex_);
          if (!failed_.exchange(true)) error_ = std::current_exception();
        }
      }
      const std::lock_guard lock(mutex_);
      unfinished_ -= end - begin;
      if (unfinished_ == 0) done_.notify_all();
    }
  }

  // body_ lives in the caller: this must return before the caller does, and no chunk is left to take after it.
  void wait() {
    std::unique_lock lock(mutex_);
    done_.wait(lock, [this] { return unfinished_ == 0; });
    if (error_) std::rethrow_exception(error_);
  }

 private:
  const std::size_t n_;
  const std::size_t chunk_;
  std::atomic<std::size_t> next_{0};
  std::atomic<bool> failed_{false};
  std::size_t unfinished_;
  std::exception_ptr error_;
  const Body& body_;
  std::mutex mutex_;
  std::condition_variable done_;
};

class Pool {
 public:
  // The pool of this process. A forked child inherits memory but no threads, and perhaps a locked mutex, so it
  // leaves its parent's pool alone and makes its own. Never destroyed: its threads may outlive static objects.
  static Pool& instance() {
    static std::atomic<Pool*> current{nullptr};
    Pool* pool = current.load(std::memory_order_acquire);
    while (pool == nullptr || pool->owner_ != getpid()) {
      auto fresh = std::make_unique<Pool>();
      if (current.compare_exchange_strong(pool, fresh.get(), std::memory_order_acq_rel)) return *fresh.release();
    }
    return *pool;
  }

  void submit(const std::shared_ptr<Job>& job, std::size_t helpers) {
    {
      const std::lock_guard lock(mutex_);
      while (workers_ < helpers && start_worker()) ++workers_;
      for (std::size_t i = 0; i < std::min(helpers, workers_); ++i) queue_.push_back(job);
    }
    if (helpers == 1) {
      wake_.notify_one();
    } else {
      wake_.notify_all();
    }
  }

 private:
  // False where the system has no thread left to give: the work is then done by the threads there are.
  bool start_worker() {
    try {
      std::thread([this] { serve(); }).detach();
    } catch (const std::system_error&) {
      return false;
    }
    return true;
  }

  void serve() {
    for (;;) {
      std::shared_ptr<Job> job;
      {
        std::unique_lock lock(mutex_);
        wake_.wait(lock, [this] { return !queue_.empty(); });
        job = std::move(queue_.front());
        queue_.pop_front();
      }
      job->work();
    }
  }

  const pid_t owner_ = getpid();
  std::mutex mutex_;
  std::condition_variable wake_;
  std::deque<std::shared_ptr<Job>> queue_;
  std::size_t workers_ = 0;
};

bool forced() {
  static const bool value = [] {
    const char* text = std::getenv("DNAFAST_FORCE_PARALLEL");
    return text != nullptr && std::strcmp(text, "1") == 0;
  }();
  return value;
}

}  // namespace

void parallel_for(std::size_t n, std::size_t grain, int threads, const Body& body) {
  if (n == 0) return;
  grain = forced() ? 1 : std::max<std::size_t>(grain, 1);
  if (threads <= 1 || n <= grain) return body(0, n);
  const auto team = std::min<std::size_t>(static_cast<std::size_t>(threads), (n + grain - 1) / grain);
  // Several chunks a thread, so that one that is slow or late does not hold up the rest.
  const std::size_t chunk = std::max(grain, (n + 8 * team - 1) / (8 * team));
  const auto job = std::make_shared<Job>(n, chunk, body);
  Pool::instance().submit(job, team - 1);
  job->work();
  job->wait();
}

}  // namespace dnafast
