# A script that starts children of its own: one works, one would go on for ever. Each life of it says so, with its process group.
echo "begin $$" >>"$CRASH_FOLDER/script.txt"
sleep 600 &
forever=$!
(sleep 0.03; echo "work $$" >>"$CRASH_FOLDER/script.txt") &
wait $!
kill $forever
wait $forever
echo "end $$" >>"$CRASH_FOLDER/script.txt"
