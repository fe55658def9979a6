"""Opens what Headwater packed, as a consumer would: by libraries that know nothing of it.

unpack.py kpl FILE    a JSON list of {"partition_key", "data"} in, user records out, data as text
unpack.py gzip FILE   the plain bytes
unpack.py zstd FILE
"""

import base64
import gzip
import json
import sys

how, path = sys.argv[1:]
if how == "kpl":
    from aws_kinesis_agg import deaggregator

    user_records = []
    for record in json.load(open(path)):
        kinesis = {
            "kinesisSchemaVersion": "1.0",
            "sequenceNumber": "1",
            "approximateArrivalTimestamp": 0,
            "partitionKey": record["partition_key"],
            "data": record["data"],
        }
        # One at a time: the library hands back what is no aggregate, and says nothing of it.
        for user in deaggregator.deaggregate_records([{"kinesis": kinesis}]):
            user = user["kinesis"]
            if not user.get("aggregated"):
                sys.exit("a record is no aggregate")
            user_records.append(
                {
                    "partition_key": user["partitionKey"],
                    "explicit_hash_key": user["explicitHashKey"],
                    "data": base64.b64decode(user["data"]).decode(),
                }
            )
    json.dump(user_records, sys.stdout)
elif how == "gzip":
    sys.stdout.buffer.write(gzip.open(path).read())
elif how == "zstd":
    import zstandard

    with open(path, "rb") as file:
        reader = zstandard.ZstdDecompressor().stream_reader(file, read_across_frames=True)
        sys.stdout.buffer.write(reader.read())
else:
    sys.exit(__doc__)
