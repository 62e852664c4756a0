// Recurrent layers (rnn, gru, lstm) over base codes or dense input, in one or both directions.
//
// A tile of sequences goes through all positions at once: lanes run over the sequences, so that a product with a weight
// is one multiplication by a number, and the state of a tile stays in the inner caches. The sums of a few units, all
// their gates, are held in registers and become the next state at once. Base codes pick the first term of a sum from a
// vector of five; where a vector holds fewer, and in the backward pass, they are four rows of zeros and ones.
//
// For the backward pass the state is kept every few positions only. A stretch between two of them is run again, its
// gates kept in the caches, and then walked backwards: less work than writing all gates to memory and reading them.
#pragma once

#include <cstdint>

namespace dnafast {

enum class Cell : std::uint8_t { rnn, gru, lstm };

struct RecurrentShape {
  Cell cell;
  bool relu;  // in place of tanh, of an rnn
  std::int64_t sequences;
  std::int64_t length;
  std::int64_t inputs;  // features of a position, 4 for base codes
  std::int64_t hidden;
  std::int64_t directions;
  // Dense input, output and their gradients, and whatever is multiplied, in bfloat16. Units then come in pairs, and so
  // do inputs other than base codes, more than recurrent_few_inputs.
  bool narrow;

  std::int64_t gates() const { return cell == Cell::lstm ? 4 : cell == Cell::gru ? 3 : 1; }
  std::int64_t states() const { return cell == Cell::lstm ? 2 : 1; }  // h, and c of an lstm
};

// Positions from one kept state to the next.
inline constexpr std::int64_t recurrent_stretch = 8;

// The weights of one direction, laid out for the kernels: blocks of units (forward) or of rows (backward), each
// [term][row of the block]; units and inputs padded with zeros to a multiple of `padding`. Narrow: neighbouring terms
// in one, but for the input's weights of base codes.
template <class T>
struct RecurrentWeights {
  const T* input;            // [block][input][gate][unit]
  const T* hidden;           // [block][hidden][gate][unit]
  const T* bias;             // [block][sum][unit]: r and z together, then input and hidden half of n, for a gru
  const T* letters;          // [block][gate][unit][base or unknown]: bias and input together; null where not looked up
  const T* input_backward;   // [block][gate][hidden][row]
  const T* hidden_backward;  // [block][gate][hidden][row]
};

// Up to so many inputs, base codes among them, their gradients are summed per lane: there are too few to fill a vector.
inline constexpr std::int64_t recurrent_few_inputs = 4;

// Sums over sequences and positions, added to by every tile; a bias per lane.
template <class T>
struct RecurrentSums {
  T* input;   // [gate][hidden][input], or of few [gate][hidden][four inputs][lane]
  T* hidden;  // [gate][hidden][hidden]
  T* bias;    // [row][hidden][lane]; rows as the gates of torch, for a gru r, z, hidden n, input n
};

// Some sequences in one direction. Pointers are to the first sequence of the tile; absent ones are null. Narrow: dense
// input, output and their gradients are pairs of bfloat16, two neighbouring features in one.
template <class T>
struct RecurrentTile {
  std::int64_t sequences;
  bool reverse;
  const std::uint8_t* codes;  // [sequence][position], or null
  const T* dense;             // [sequence][position][input], or null
  const T* h0;                // [sequence][hidden]
  const T* c0;
  T* output;  // [sequence][position][direction][hidden], at this direction
  T* h_n;     // [sequence][hidden]
  T* c_n;
  T* kept;  // [stretch][state][hidden][all sequences]
  // Of the backward pass:
  const T* output_gradient;
  const T* h_n_gradient;
  const T* c_n_gradient;
  bool add_input_gradient;  // to what the other direction has left there
  T* input_gradient;        // [sequence][position][input]
  T* h0_gradient;           // [sequence][hidden]
  T* c0_gradient;
};

// What is compiled once per cell and instruction set. A tile holds up to `widest` vectors of sequences.
template <class T>
struct RecurrentKernels {
  std::int64_t lanes;
  std::int64_t widest;
  std::int64_t padding;
  std::int64_t units;  // of a block of the forward pass
  std::int64_t rows;   // of a block of the backward pass
  bool letters;        // whether base codes are looked up

  // Elements of scratch memory for a tile of so many vectors.
  std::int64_t (*forward_scratch)(const RecurrentShape& shape, std::int64_t vectors);
  std::int64_t (*backward_scratch)(const RecurrentShape& shape, std::int64_t vectors);

  void (*forward[3])(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const RecurrentTile<T>& tile,
                     T* scratch);
  void (*backward[3])(const RecurrentShape& shape, const RecurrentWeights<T>& weights, const RecurrentTile<T>& tile,
                      T* scratch, const RecurrentSums<T>& sums);
};

// As torch.nn lays them out, directions first: input (D, G * H, C), hidden (D, G * H, H), biases (D, G * H) or null.
template <class T>
struct RecurrentParameters {
  const T* input;
  const T* hidden;
  const T* input_bias;
  const T* hidden_bias;
};

template <class T>
struct RecurrentGradients {
  T* input;
  T* hidden;
  T* input_bias;
  T* hidden_bias;
};

// One layer; `whole` holds the pointers of the first sequence and direction. Throws std::invalid_argument where a code
// is above 4.
template <class T>
void recurrent_forward(const RecurrentShape& shape, const RecurrentParameters<T>& parameters,
                       const RecurrentTile<T>& whole);

// Gradients are overwritten.
template <class T>
void recurrent_backward(const RecurrentShape& shape, const RecurrentParameters<T>& parameters,
                        const RecurrentTile<T>& whole, const RecurrentGradients<T>& gradients);

}  // namespace dnafast
