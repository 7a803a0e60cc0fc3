import { AlternatingConvs } from "../blocks/alternating-convs.js";
import type { PortScope } from "../blocks/port-scope.js";

/** Five convolutions that bring `channels` to `filters`: 1×1, 3×3, 1×1, 3×3, 1×1. */
export function fiveConvs(scope: PortScope, channels: number, filters: number): AlternatingConvs {
  const wide = 2 * filters;
  return new AlternatingConvs(scope, {
    channels,
    filters: [filters, wide, filters, wide, filters],
    first: 1,
  });
}
