#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>

namespace dnafast {

// A file mapped into memory for reading; the mapping lives as long as the object.
class Mapping {
 public:
  // Throws std::system_error naming the path.
  explicit Mapping(const std::string& path);
  ~Mapping();
  Mapping(const Mapping&) = delete;
  Mapping& operator=(const Mapping&) = delete;

  std::span<const std::uint8_t> bytes() const { return {data_, size_}; }
  // Tells the system that the file will be read once, from front to back.
  void expect_sequential_reading() const;

 private:
  const std::uint8_t* data_ = nullptr;
  std::size_t size_ = 0;
};

}  // namespace dnafast
