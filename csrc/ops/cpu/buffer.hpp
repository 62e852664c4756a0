// Scratch memory of the operators.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <new>

namespace dnafast {

// Memory that starts at a cache line and is not touched before it is used.
template <class T>
class Buffer {
 public:
  explicit Buffer(std::int64_t count)
      : data_(static_cast<T*>(::operator new(static_cast<std::size_t>(count) * sizeof(T), alignment))) {}
  T* get() const { return data_.get(); }

 private:
  static constexpr std::align_val_t alignment{64};
  struct Free {
    void operator()(T* data) const { ::operator delete(data, alignment); }
  };
  std::unique_ptr<T, Free> data_;
};

}  // namespace dnafast
