export * from "../checks/result.js";
