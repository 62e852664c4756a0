"""Why does a recurrent network fail? The parts of PromoterLSTM exchanged, gradients followed back, motifs planted.

Four questions, each measured by an intervention of its own:

- do gradients vanish, do they explode: `dnafast.probe.reach` (Bengio et al. 1994; Pascanu et al. 2013), and the
  gradient norms and diverged runs of the factorial with and without clipping;
- is memory overwritten: `dnafast.probe.pairs`, accuracy on planted motifs by distance;
- does the gate matter once clipping, pooling and convolution are equal (Hochreiter & Schmidhuber 1997 built it against
  vanishing gradients): `dnafast.probe.factorial`, with `dnafast.probe.effects`.
"""
