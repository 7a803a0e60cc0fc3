/** Which of the two Darknet libraries gives a file its meaning: AlexeyAB/darknet 59596d7 or pjreddie/darknet f6afaab. */
export type DarknetDialect = "alexeyab" | "pjreddie";
