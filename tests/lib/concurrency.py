"""Many calls at the same moment."""
import concurrent.futures
import threading


def at_once(calls):
    """Run the functions in threads that start together; their results, in order."""
    calls = list(calls)
    if not calls:
        return []
    barrier = threading.Barrier(len(calls))

    def run(call):
        barrier.wait()
        return call()

    with concurrent.futures.ThreadPoolExecutor(len(calls)) as pool:
        return list(pool.map(run, calls))
