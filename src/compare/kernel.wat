;; The inner loop of a comparison: two passes over one block of float32 values.
;;
;; `errors` takes |actual - expected|, its largest value, the largest relative error and four sums in
;; float64. `ratios` divides the errors by their bounds. Results are left in exported globals: so the
;; kernel needs no room of its own and runs in any memory.
;;
;; NaN and infinities need no test in the loop: one of them makes `sumSquaredError` NaN or infinite
;; (squares of float32 differences cannot overflow float64), an overflow of a float32 step makes its
;; maximum infinite. Whoever calls sees that and does the block again, slowly.
(module
  (import "env" "memory" (memory 1))
  (global (export "maxAbs") (mut f32) (f32.const 0))
  (global (export "maxRel") (mut f32) (f32.const 0))
  (global (export "maxRatio") (mut f32) (f32.const 0))
  (global (export "overBound") (mut i32) (i32.const 0))
  (global (export "boundsUsable") (mut i32) (i32.const 0))
  (global (export "anyBound") (mut i32) (i32.const 0))
  (global (export "sumSquaredError") (mut f64) (f64.const 0))
  (global (export "sumSquaredActual") (mut f64) (f64.const 0))
  (global (export "sumSquaredExpected") (mut f64) (f64.const 0))
  (global (export "dot") (mut f64) (f64.const 0))

  ;; Largest of the four lanes; none is NaN when the result is used.
  (func $largest (param $v v128) (result f32)
    (f32.max
      (f32.max (f32x4.extract_lane 0 (local.get $v)) (f32x4.extract_lane 1 (local.get $v)))
      (f32.max (f32x4.extract_lane 2 (local.get $v)) (f32x4.extract_lane 3 (local.get $v)))))

  (func $sum (param $v v128) (result f64)
    (f64.add (f64x2.extract_lane 0 (local.get $v)) (f64x2.extract_lane 1 (local.get $v))))

  ;; actual, expected: byte offsets; end: byte offset behind the actual values, 4 values a step;
  ;; floor: expected values below it count as it in the relative error.
  (func (export "errors")
    (param $actual i32) (param $expected i32) (param $end i32) (param $floor f32)
    (local $a v128) (local $e v128) (local $d v128) (local $floors v128)
    (local $abs v128) (local $rel v128)
    (local $ee v128) (local $aa v128) (local $dd v128) (local $ae v128)
    (local $ee2 v128) (local $aa2 v128) (local $dd2 v128) (local $ae2 v128)
    (local.set $floors (f32x4.splat (local.get $floor)))
    (block $done
      (br_if $done (i32.ge_u (local.get $actual) (local.get $end)))
      (loop $next
        ;; four elements in float32: error and relative error
        (local.set $e (v128.load align=4 (local.get $expected)))
        (local.set $d
          (f32x4.abs (f32x4.sub (v128.load align=4 (local.get $actual)) (local.get $e))))
        (local.set $abs (f32x4.pmax (local.get $d) (local.get $abs)))
        (local.set $rel
          (f32x4.pmax
            (f32x4.div (local.get $d)
              (f32x4.pmax (f32x4.abs (local.get $e)) (local.get $floors)))
            (local.get $rel)))
        ;; the first two in float64
        (local.set $a (f64x2.promote_low_f32x4 (v128.load64_zero align=4 (local.get $actual))))
        (local.set $e (f64x2.promote_low_f32x4 (v128.load64_zero align=4 (local.get $expected))))
        (local.set $d (f64x2.sub (local.get $a) (local.get $e)))
        (local.set $dd (f64x2.add (local.get $dd) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $aa (f64x2.add (local.get $aa) (f64x2.mul (local.get $a) (local.get $a))))
        (local.set $ee (f64x2.add (local.get $ee) (f64x2.mul (local.get $e) (local.get $e))))
        (local.set $ae (f64x2.add (local.get $ae) (f64x2.mul (local.get $a) (local.get $e))))
        ;; the last two
        (local.set $a
          (f64x2.promote_low_f32x4 (v128.load64_zero offset=8 align=4 (local.get $actual))))
        (local.set $e
          (f64x2.promote_low_f32x4 (v128.load64_zero offset=8 align=4 (local.get $expected))))
        (local.set $d (f64x2.sub (local.get $a) (local.get $e)))
        (local.set $dd2 (f64x2.add (local.get $dd2) (f64x2.mul (local.get $d) (local.get $d))))
        (local.set $aa2 (f64x2.add (local.get $aa2) (f64x2.mul (local.get $a) (local.get $a))))
        (local.set $ee2 (f64x2.add (local.get $ee2) (f64x2.mul (local.get $e) (local.get $e))))
        (local.set $ae2 (f64x2.add (local.get $ae2) (f64x2.mul (local.get $a) (local.get $e))))
        (local.set $expected (i32.add (local.get $expected) (i32.const 16)))
        (br_if $next
          (i32.lt_u
            (local.tee $actual (i32.add (local.get $actual) (i32.const 16)))
            (local.get $end)))))
    (global.set 0 (call $largest (local.get $abs)))
    (global.set 1 (call $largest (local.get $rel)))
    (global.set 6 (call $sum (f64x2.add (local.get $dd) (local.get $dd2))))
    (global.set 7 (call $sum (f64x2.add (local.get $aa) (local.get $aa2))))
    (global.set 8 (call $sum (f64x2.add (local.get $ee) (local.get $ee2))))
    (global.set 9 (call $sum (f64x2.add (local.get $ae) (local.get $ae2)))))

  ;; As above; bound: byte offset of the bounds; limit: largest ratio that is not over the bound.
  (func (export "ratios")
    (param $actual i32) (param $expected i32) (param $bound i32) (param $end i32) (param $limit f32)
    (local $b v128) (local $d v128) (local $r v128) (local $limits v128)
    (local $ratio v128) (local $over v128) (local $bits v128)
    (local.set $limits (f32x4.splat (local.get $limit)))
    (block $done
      (br_if $done (i32.ge_u (local.get $actual) (local.get $end)))
      (loop $next
        (local.set $b (v128.load align=4 (local.get $bound)))
        (local.set $d
          (f32x4.abs
            (f32x4.sub
              (v128.load align=4 (local.get $actual))
              (v128.load align=4 (local.get $expected)))))
        (local.set $r (f32x4.div (local.get $d) (local.get $b)))
        ;; 0 / 0 is NaN: pmax and gt leave it out
        (local.set $ratio (f32x4.pmax (local.get $ratio) (local.get $r)))
        (local.set $over
          (i32x4.sub (local.get $over) (f32x4.gt (local.get $r) (local.get $limits))))
        ;; the bits of floats from +0 to infinity are in the order of their values, NaN and all
        ;; negative ones lie above
        (local.set $bits (i32x4.max_u (local.get $bits) (local.get $b)))
        (local.set $expected (i32.add (local.get $expected) (i32.const 16)))
        (local.set $bound (i32.add (local.get $bound) (i32.const 16)))
        (br_if $next
          (i32.lt_u
            (local.tee $actual (i32.add (local.get $actual) (i32.const 16)))
            (local.get $end)))))
    (global.set 2 (call $largest (local.get $ratio)))
    (global.set 3
      (i32.add
        (i32.add (i32x4.extract_lane 0 (local.get $over)) (i32x4.extract_lane 1 (local.get $over)))
        (i32.add (i32x4.extract_lane 2 (local.get $over)) (i32x4.extract_lane 3 (local.get $over)))))
    ;; every bound is a finite number from 0 on
    (global.set 4
      (i32x4.all_true (i32x4.lt_u (local.get $bits) (i32x4.splat (i32.const 0x7f800000)))))
    (global.set 5 (v128.any_true (local.get $bits)))))
