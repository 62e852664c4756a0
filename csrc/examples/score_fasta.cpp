// Probabilities of an exported network for the sequences of a FASTA file:
//
//   score_fasta LIBRARY MODEL FASTA
//
// LIBRARY is dnafast's operator library (python -c "import dnafast; print(dnafast.ops.library_path())"), MODEL a file
// of `dnafast export`. Prints a line for each sequence, its name and the probability of each task, tab-separated.

#include <dlfcn.h>
#include <torch/script.h>

#include <algorithm>
#include <cstdint>
#include <cstdio>
#include <exception>
#include <fstream>
#include <stdexcept>
#include <string>
#include <utility>
#include <vector>

namespace {

constexpr std::size_t kBatch = 256;

struct Sequence {
  std::string name;
  std::string letters;
};

std::vector<Sequence> read_fasta(const std::string& path) {
  std::ifstream file(path);
  if (!file) throw std::runtime_error(path + " cannot be opened");
  std::vector<Sequence> sequences;
  std::string line;
  while (std::getline(file, line)) {
    if (!line.empty() && line.back() == '\r') line.pop_back();
    if (!line.empty() && line[0] == '>') {
      sequences.push_back({line.substr(1, line.find_first_of(" \t") - 1), ""});
    } else if (!line.empty() && sequences.empty()) {
      throw std::runtime_error(path + " does not begin with '>': it is no FASTA file");
    } else if (!line.empty()) {
      sequences.back().letters += line;
    }
  }
  return sequences;
}

// Letters as they are, uint8 (N, L): the network itself makes base codes of them.
torch::Tensor batch_of(const std::vector<Sequence>& sequences, std::size_t first, std::size_t last,
                       std::int64_t length) {
  const auto n = static_cast<std::int64_t>(last - first);
  torch::Tensor batch = torch::empty({n, length}, torch::kUInt8);
  auto* out = batch.data_ptr<std::uint8_t>();
  for (std::size_t i = first; i < last; ++i) {
    const std::string& letters = sequences[i].letters;
    if (static_cast<std::int64_t>(letters.size()) != length) {
      throw std::runtime_error("sequence " + sequences[i].name + " has " + std::to_string(letters.size()) +
                               " bases and must have " + std::to_string(length) + ", as those of the training had");
    }
    out = std::copy(letters.begin(), letters.end(), out);
  }
  return batch;
}

void score(const char* library, const std::string& model_path, const std::string& fasta_path) {
  // Before the model, which names operators that the library registers as it is loaded.
  if (dlopen(library, RTLD_NOW | RTLD_GLOBAL) == nullptr) throw std::runtime_error(dlerror());
  torch::jit::script::Module model = torch::jit::load(model_path, torch::kCPU);
  model.eval();
  const std::int64_t length = model.attr("length").toInt();
  const std::vector<Sequence> sequences = read_fasta(fasta_path);
  const torch::InferenceMode no_gradients;
  for (std::size_t first = 0; first < sequences.size(); first += kBatch) {
    const std::size_t last = std::min(sequences.size(), first + kBatch);
    const torch::Tensor probabilities = model.forward({batch_of(sequences, first, last, length)}).toTensor();
    const auto values = probabilities.accessor<float, 2>();
    for (std::size_t i = first; i < last; ++i) {
      std::printf("%s", sequences[i].name.c_str());
      for (std::int64_t task = 0; task < values.size(1); ++task) {
        std::printf("\t%.6f", static_cast<double>(values[static_cast<std::int64_t>(i - first)][task]));
      }
      std::printf("\n");
    }
  }
}

// What went wrong without the trace of TorchScript's own code.
std::string last_line(const std::string& text) {
  const std::size_t end = text.find_last_not_of('\n') + 1;
  const std::size_t begin = text.rfind('\n', end - 1);
  std::string line =
      text.substr(begin == std::string::npos ? 0 : begin + 1, end - (begin == std::string::npos ? 0 : begin + 1));
  const std::string kind = "builtins.ValueError: ";
  const std::size_t at = line.find(kind);
  return at == std::string::npos ? line : line.substr(at + kind.size());
}

}  // namespace

int main(int argc, char** argv) {
  if (argc != 4) {
    std::fprintf(stderr, "usage: score_fasta LIBRARY MODEL FASTA\n");
    return 2;
  }
  try {
    score(argv[1], argv[2], argv[3]);
  } catch (const c10::Error& error) {
    std::fprintf(stderr, "score_fasta: %s\n", error.what_without_backtrace());
    return 2;
  } catch (const std::exception& error) {
    std::fprintf(stderr, "score_fasta: %s\n", last_line(error.what()).c_str());
    return 2;
  }
  return 0;
}
