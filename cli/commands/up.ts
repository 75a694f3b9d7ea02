export { defineUp } from './demo';
