#include "core/mapping.hpp"

#include <fcntl.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cerrno>
#include <system_error>
#include <utility>

#include "core/error.hpp"

namespace dnafast {

Mapping::Mapping(std::string path) : path_(std::move(path)), file_(::open(path_.c_str(), O_RDONLY | O_CLOEXEC)) {
  if (file_ < 0) throw std::system_error(errno, std::generic_category(), path_);
  struct stat status{};
  int error = ::fstat(file_, &status) == 0 ? 0 : errno;
  if (error == 0 && status.st_size > 0) {
    size_ = static_cast<std::size_t>(status.st_size);
    void* address = ::mmap(nullptr, size_, PROT_READ, MAP_SHARED, file_, 0);
    if (address == MAP_FAILED) {
      error = errno;
    } else {
      data_ = static_cast<const std::uint8_t*>(address);
    }
  }
  if (error != 0) {
    ::close(file_);
    throw std::system_error(error, std::generic_category(), path_);
  }
}

Mapping::~Mapping() {
  if (data_ != nullptr) ::munmap(const_cast<std::uint8_t*>(data_), size_);
  ::close(file_);
}

void Mapping::check_size() const {
  struct stat status{};
  if (::fstat(file_, &status) == 0 && static_cast<std::size_t>(status.st_size) >= size_) return;
  throw FormatError(path_, 0,
                    "the file has become shorter than the " + std::to_string(size_) +
                        " bytes it had when it was opened; open it again");
}

}  // namespace dnafast
