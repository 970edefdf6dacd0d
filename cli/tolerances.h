/* tolerances.h — how close a graph's outputs must be: what the user says, else what its kind in a
   meta.json beside it allows, else 1e-3 and 1e-5.

   Without `exact`, quantised products may round activations to 8 bits as accuracy_level 4 asks.
   Where meta.json says how far that moves the reference runtime, in
   cases[].ort_as_stored_accuracy_level_max_abs_diff, 1.5 times the largest is allowed too. */
#ifndef CLI_TOLERANCES_H
#define CLI_TOLERANCES_H

#include "compare.h"

/* rtol and atol are negative where the user gave none. */
tolerance cli_tolerance_of(const char *graph, bool exact, double rtol, double atol);

#endif
