/** Does nothing: what a process needs to end. */
console.log("done");
