"""The procedures of libvirt's protocol, a line each, written by hand.

The number, the function of libvirt's public interface that calls it, and of those that are answered: flags
(``r``: on a read-only connection, too; ``f``: answered by the connection's reader at once, without any lock;
``s``: a stream follows; ``-``: none of these), the arguments, and behind the arrow what is returned, in the
notation of `wire.xdr`. A line that ends behind the name is of a procedure that is refused by that name.
"""

from typing import Final

REMOTE: Final = """
1 virConnectOpen fr name:?s flags:u
2 virConnectClose fr
3 virConnectGetType r -> type:s
4 virConnectGetVersion r -> version:uh
5 virConnectGetMaxVcpus r type:?s -> max:i
6 virNodeGetInfo r -> model:w32 memory:uh cpus:i mhz:i nodes:i sockets:i cores:i threads:i
7 virConnectGetCapabilities r -> xml:s
8 virDomainAttachDevice - dom:D xml:s
9 virDomainCreate - dom:D
10 virDomainCreateXML - xml:s flags:u -> dom:D
11 virDomainDefineXML - xml:s -> dom:D
12 virDomainDestroy - dom:D
13 virDomainDetachDevice - dom:D xml:s
14 virDomainGetXMLDesc r dom:D flags:u -> xml:s
15 virDomainGetAutostart r dom:D -> autostart:i
16 virDomainGetInfo r dom:D -> state:u maxMem:uh memory:uh nrVirtCpu:u cpuTime:uh
17 virDomainGetMaxMemory r dom:D -> memory:uh
18 virDomainGetMaxVcpus r dom:D -> num:i
19 virDomainGetOSType r dom:D -> type:s
20 virDomainGetVcpus r dom:D maxinfo:i maplen:i -> info:[(u,i,uh,i)] cpumaps:o
21 virConnectListDefinedDomains r maxnames:i -> names:[s]
22 virDomainLookupByID r id:i -> dom:D
23 virDomainLookupByName r name:s -> dom:D
24 virDomainLookupByUUID r uuid:16 -> dom:D
25 virConnectNumOfDefinedDomains r -> num:i
26 virDomainPinVcpu - dom:D vcpu:u cpumap:o
27 virDomainReboot - dom:D flags:u
28 virDomainResume - dom:D
29 virDomainSetAutostart - dom:D autostart:i
30 virDomainSetMaxMemory - dom:D memory:uh
31 virDomainSetMemory - dom:D memory:uh
32 virDomainSetVcpus - dom:D nvcpus:u
33 virDomainShutdown - dom:D
34 virDomainSuspend - dom:D
35 virDomainUndefine - dom:D
36 virConnectListDefinedNetworks r maxnames:i -> names:[s]
37 virConnectListDomains r maxids:i -> ids:[i]
38 virConnectListNetworks r maxnames:i -> names:[s]
39 virNetworkCreate - net:N
40 virNetworkCreateXML - xml:s -> net:N
41 virNetworkDefineXML - xml:s -> net:N
42 virNetworkDestroy - net:N
43 virNetworkGetXMLDesc r net:N flags:u -> xml:s
44 virNetworkGetAutostart r net:N -> autostart:i
45 virNetworkGetBridgeName r net:N -> name:s
46 virNetworkLookupByName r name:s -> net:N
47 virNetworkLookupByUUID r uuid:16 -> net:N
48 virNetworkSetAutostart - net:N autostart:i
49 virNetworkUndefine - net:N
50 virConnectNumOfDefinedNetworks r -> num:i
51 virConnectNumOfDomains r -> num:i
52 virConnectNumOfNetworks r -> num:i
53 virDomainCoreDump - dom:D to:s flags:u
54 virDomainRestore - from:s
55 virDomainSave - dom:D to:s
56 virDomainGetSchedulerType r dom:D -> type:s nparams:i
57 virDomainGetSchedulerParameters r dom:D nparams:i -> params:T
58 virDomainSetSchedulerParameters - dom:D params:T
59 virConnectGetHostname r -> hostname:s
60 virConnectSupportsFeature fr feature:i -> supported:i
61 virDomainMigratePrepare
62 virDomainMigratePerform
63 virDomainMigrateFinish
64 virDomainBlockStats r dom:D path:s -> rd_req:h rd_bytes:h wr_req:h wr_bytes:h errs:h
65 virDomainInterfaceStats r dom:D device:s -> rx_bytes:h rx_packets:h rx_errs:h rx_drop:h \
tx_bytes:h tx_packets:h tx_errs:h tx_drop:h
66 virConnectAuthList fr -> types:[i]
71 virConnectNumOfStoragePools r -> num:i
72 virConnectListStoragePools r maxnames:i -> names:[s]
73 virConnectNumOfDefinedStoragePools r -> num:i
74 virConnectListDefinedStoragePools r maxnames:i -> names:[s]
75 virConnectFindStoragePoolSources - type:s source:?s flags:u -> xml:s
76 virStoragePoolCreateXML - xml:s flags:u -> pool:P
77 virStoragePoolDefineXML - xml:s flags:u -> pool:P
78 virStoragePoolCreate - pool:P flags:u
79 virStoragePoolBuild - pool:P flags:u
80 virStoragePoolDestroy - pool:P
81 virStoragePoolDelete - pool:P flags:u
82 virStoragePoolUndefine - pool:P
83 virStoragePoolRefresh - pool:P flags:u
84 virStoragePoolLookupByName r name:s -> pool:P
85 virStoragePoolLookupByUUID r uuid:16 -> pool:P
86 virStoragePoolLookupByVolume r vol:V -> pool:P
87 virStoragePoolGetInfo r pool:P -> state:u capacity:uh allocation:uh available:uh
88 virStoragePoolGetXMLDesc r pool:P flags:u -> xml:s
89 virStoragePoolGetAutostart r pool:P -> autostart:i
90 virStoragePoolSetAutostart - pool:P autostart:i
91 virStoragePoolNumOfVolumes r pool:P -> num:i
92 virStoragePoolListVolumes r pool:P maxnames:i -> names:[s]
93 virStorageVolCreateXML - pool:P xml:s flags:u -> vol:V
94 virStorageVolDelete - vol:V flags:u
95 virStorageVolLookupByName r pool:P name:s -> vol:V
96 virStorageVolLookupByKey r key:s -> vol:V
97 virStorageVolLookupByPath r path:s -> vol:V
98 virStorageVolGetInfo r vol:V -> type:i capacity:uh allocation:uh
99 virStorageVolGetXMLDesc r vol:V flags:u -> xml:s
100 virStorageVolGetPath r vol:V -> path:s
101 virNodeGetCellsFreeMemory r startCell:i maxcells:i -> cells:[uh]
102 virNodeGetFreeMemory r -> freeMem:uh
103 virDomainBlockPeek - dom:D path:s offset:uh size:u flags:u -> buffer:o
104 virDomainMemoryPeek
105 virConnectDomainEventRegister
106 virConnectDomainEventDeregister
108 virDomainMigratePrepare2
109 virDomainMigrateFinish2
110 virConnectGetURI fr -> uri:s
111 virNodeNumOfDevices r cap:?s flags:u -> num:i
112 virNodeListDevices r cap:?s maxnames:i flags:u -> names:[s]
113 virNodeDeviceLookupByName r name:s -> dev:H
114 virNodeDeviceGetXMLDesc r dev:H flags:u -> xml:s
115 virNodeDeviceGetParent r dev:H -> parent:?s
116 virNodeDeviceNumOfCaps r dev:H -> num:i
117 virNodeDeviceListCaps r dev:H maxnames:i -> names:[s]
118 virNodeDeviceDettach - dev:H
119 virNodeDeviceReAttach - dev:H
120 virNodeDeviceReset - dev:H
121 virDomainGetSecurityLabel r dom:D -> label:w enforcing:i
122 virNodeGetSecurityModel r -> model:w doi:w
123 virNodeDeviceCreateXML
124 virNodeDeviceDestroy
125 virStorageVolCreateXMLFrom - pool:P xml:s source:V flags:u -> vol:V
126 virConnectNumOfInterfaces
127 virConnectListInterfaces
128 virInterfaceLookupByName
129 virInterfaceLookupByMACString
130 virInterfaceGetXMLDesc
131 virInterfaceDefineXML
132 virInterfaceUndefine
133 virInterfaceCreate
134 virInterfaceDestroy
135 virConnectDomainXMLFromNative
136 virConnectDomainXMLToNative
137 virConnectNumOfDefinedInterfaces
138 virConnectListDefinedInterfaces
139 virConnectNumOfSecrets r -> num:i
140 virConnectListSecrets r maxuuids:i -> uuids:[s]
141 virSecretLookupByUUID r uuid:16 -> secret:X
142 virSecretDefineXML - xml:s flags:u -> secret:X
143 virSecretGetXMLDesc r secret:X flags:u -> xml:s
144 virSecretSetValue - secret:X value:o flags:u
145 virSecretGetValue - secret:X flags:u -> value:o
146 virSecretUndefine - secret:X
147 virSecretLookupByUsage r usageType:i usageID:s -> secret:X
148 virDomainMigratePrepareTunnel
149 virConnectIsSecure r -> secure:i
150 virDomainIsActive r dom:D -> active:i
151 virDomainIsPersistent r dom:D -> persistent:i
152 virNetworkIsActive r net:N -> active:i
153 virNetworkIsPersistent r net:N -> persistent:i
154 virStoragePoolIsActive r pool:P -> active:i
155 virStoragePoolIsPersistent r pool:P -> persistent:i
156 virInterfaceIsActive
157 virConnectGetLibVersion r -> version:uh
158 virConnectCompareCPU r xml:s flags:u -> result:i
159 virDomainMemoryStats r dom:D maxStats:u flags:u -> stats:[(i,uh)]
160 virDomainAttachDeviceFlags - dom:D xml:s flags:u
161 virDomainDetachDeviceFlags - dom:D xml:s flags:u
162 virConnectBaselineCPU r xmlCPUs:[s] flags:u -> cpu:s
163 virDomainGetJobInfo r dom:D -> type:i timeElapsed:uh timeRemaining:uh dataTotal:uh dataProcessed:uh \
dataRemaining:uh memTotal:uh memProcessed:uh memRemaining:uh fileTotal:uh fileProcessed:uh fileRemaining:uh
164 virDomainAbortJob - dom:D
165 virStorageVolWipe - vol:V flags:u
166 virDomainMigrateSetMaxDowntime - dom:D downtime:uh flags:u
167 virConnectDomainEventRegisterAny
168 virConnectDomainEventDeregisterAny
174 virDomainUpdateDeviceFlags - dom:D xml:s flags:u
175 virNWFilterLookupByName
176 virNWFilterLookupByUUID
177 virNWFilterGetXMLDesc
178 virConnectNumOfNWFilters
179 virConnectListNWFilters
180 virNWFilterDefineXML
181 virNWFilterUndefine
182 virDomainManagedSave - dom:D flags:u
183 virDomainHasManagedSaveImage r dom:D flags:u -> result:i
184 virDomainManagedSaveRemove - dom:D flags:u
185 virDomainSnapshotCreateXML - dom:D xml:s flags:u -> snap:S
186 virDomainSnapshotGetXMLDesc r snap:S flags:u -> xml:s
187 virDomainSnapshotNum r dom:D flags:u -> num:i
188 virDomainSnapshotListNames r dom:D maxnames:i flags:u -> names:[s]
189 virDomainSnapshotLookupByName r dom:D name:s flags:u -> snap:S
190 virDomainHasCurrentSnapshot r dom:D flags:u -> result:i
191 virDomainSnapshotCurrent r dom:D flags:u -> snap:S
192 virDomainRevertToSnapshot - snap:S flags:u
193 virDomainSnapshotDelete - snap:S flags:u
194 virDomainGetBlockInfo r dom:D path:s flags:u -> allocation:uh capacity:uh physical:uh
196 virDomainCreateWithFlags - dom:D flags:u -> dom:D
197 virDomainSetMemoryParameters - dom:D params:T flags:u
198 virDomainGetMemoryParameters r dom:D nparams:i flags:u -> params:T nparams:i
199 virDomainSetVcpusFlags - dom:D nvcpus:u flags:u
200 virDomainGetVcpusFlags r dom:D flags:u -> num:i
201 virDomainOpenConsole s dom:D devname:?s flags:u
202 virDomainIsUpdated r dom:D -> updated:i
203 virConnectGetSysinfo r flags:u -> sysinfo:s
204 virDomainSetMemoryFlags - dom:D memory:uh flags:u
205 virDomainSetBlkioParameters - dom:D params:T flags:u
206 virDomainGetBlkioParameters r dom:D nparams:i flags:u -> params:T nparams:i
207 virDomainMigrateSetMaxSpeed - dom:D bandwidth:uh flags:u
208 virStorageVolUpload s vol:V offset:uh length:uh flags:u
209 virStorageVolDownload s vol:V offset:uh length:uh flags:u
210 virDomainInjectNMI - dom:D flags:u
211 virDomainScreenshot s dom:D screen:u flags:u -> mime:?s
212 virDomainGetState r dom:D flags:u -> state:i reason:i
213 virDomainMigrateBegin3 - dom:D xmlin:?s flags:uh dname:?s resource:uh -> cookie:o xml:s
214 virDomainMigratePrepare3 - cookie:o uri:?s flags:uh dname:?s resource:uh xml:s -> cookie:o uri:?s
215 virDomainMigratePrepareTunnel3
216 virDomainMigratePerform3 - dom:D xmlin:?s cookie:o dconnuri:?s uri:?s flags:uh dname:?s resource:uh \
-> cookie:o
217 virDomainMigrateFinish3 - dname:s cookie:o dconnuri:?s uri:?s flags:uh cancelled:i -> dom:D cookie:o
218 virDomainMigrateConfirm3 - dom:D cookie:o flags:uh cancelled:i
219 virDomainSetSchedulerParametersFlags - dom:D params:T flags:u
220 virInterfaceChangeBegin
221 virInterfaceChangeCommit
222 virInterfaceChangeRollback
223 virDomainGetSchedulerParametersFlags r dom:D nparams:i flags:u -> params:T
225 virDomainPinVcpuFlags - dom:D vcpu:u cpumap:o flags:u
226 virDomainSendKey - dom:D codeset:u holdtime:u keycodes:[u] flags:u
227 virNodeGetCPUStats r cpuNum:i nparams:i flags:u -> params:[(s,uh)] nparams:i
228 virNodeGetMemoryStats r nparams:i cellNum:i flags:u -> params:[(s,uh)] nparams:i
229 virDomainGetControlInfo r dom:D flags:u -> state:u details:u stateTime:uh
230 virDomainGetVcpuPinInfo r dom:D ncpumaps:i maplen:i flags:u -> cpumaps:o num:i
231 virDomainUndefineFlags - dom:D flags:u
232 virDomainSaveFlags - dom:D to:s dxml:?s flags:u
233 virDomainRestoreFlags - from:s dxml:?s flags:u
234 virDomainDestroyFlags - dom:D flags:u
235 virDomainSaveImageGetXMLDesc - file:s flags:u -> xml:s
236 virDomainSaveImageDefineXML - file:s dxml:s flags:u
237 virDomainBlockJobAbort - dom:D path:s flags:u
238 virDomainGetBlockJobInfo r dom:D path:s flags:u -> found:i type:i bandwidth:uh cur:uh end:uh
239 virDomainBlockJobSetSpeed - dom:D path:s bandwidth:uh flags:u
240 virDomainBlockPull - dom:D path:s bandwidth:uh flags:u
242 virDomainMigrateGetMaxSpeed - dom:D flags:u -> bandwidth:uh
243 virDomainBlockStatsFlags r dom:D path:s nparams:i flags:u -> params:T nparams:i
244 virDomainSnapshotGetParent r snap:S flags:u -> snap:S
245 virDomainReset - dom:D flags:u
246 virDomainSnapshotNumChildren r snap:S flags:u -> num:i
247 virDomainSnapshotListChildrenNames r snap:S maxnames:i flags:u -> names:[s]
249 virDomainOpenGraphics
250 virNodeSuspendForDuration
251 virDomainBlockResize - dom:D disk:s size:uh flags:u
252 virDomainSetBlockIoTune - dom:D disk:s params:T flags:u
253 virDomainGetBlockIoTune r dom:D disk:?s nparams:i flags:u -> params:T nparams:i
254 virDomainSetNumaParameters - dom:D params:T flags:u
255 virDomainGetNumaParameters r dom:D nparams:i flags:u -> params:T nparams:i
256 virDomainSetInterfaceParameters - dom:D device:s params:T flags:u
257 virDomainGetInterfaceParameters r dom:D device:s nparams:i flags:u -> params:T nparams:i
258 virDomainShutdownFlags - dom:D flags:u
259 virStorageVolWipePattern - vol:V algorithm:u flags:u
260 virStorageVolResize - vol:V capacity:uh flags:u
261 virDomainPMSuspendForDuration - dom:D target:u duration:uh flags:u
262 virDomainGetCPUStats r dom:D nparams:u startCpu:i ncpus:u flags:u -> params:T nparams:i
263 virDomainGetDiskErrors r dom:D maxErrors:u flags:u -> errors:[(s,i)] nerrors:i
264 virDomainSetMetadata - dom:D type:i metadata:?s key:?s uri:?s flags:u
265 virDomainGetMetadata r dom:D type:i uri:?s flags:u -> metadata:s
266 virDomainBlockRebase - dom:D path:s base:?s bandwidth:uh flags:u
267 virDomainPMWakeup - dom:D flags:u
271 virDomainSnapshotIsCurrent r snap:S flags:u -> current:i
272 virDomainSnapshotHasMetadata r snap:S flags:u -> metadata:i
273 virConnectListAllDomains r needResults:i flags:u -> domains:[D] ret:u
274 virDomainListAllSnapshots r dom:D needResults:i flags:u -> snapshots:[S] ret:i
275 virDomainSnapshotListAllChildren r snap:S needResults:i flags:u -> snapshots:[S] ret:i
277 virDomainGetHostname - dom:D flags:u -> hostname:s
278 virDomainGetSecurityLabelList
279 virDomainPinEmulator
280 virDomainGetEmulatorPinInfo r dom:D maplen:i flags:u -> cpumaps:o ret:i
281 virConnectListAllStoragePools r needResults:i flags:u -> pools:[P] ret:u
282 virStoragePoolListAllVolumes r pool:P needResults:i flags:u -> vols:[V] ret:u
283 virConnectListAllNetworks r needResults:i flags:u -> nets:[N] ret:u
284 virConnectListAllInterfaces
285 virConnectListAllNodeDevices r needResults:i flags:u -> devs:[H] ret:u
286 virConnectListAllNWFilters
287 virConnectListAllSecrets r needResults:i flags:u -> secrets:[X] ret:u
288 virNodeSetMemoryParameters - params:T flags:u
289 virNodeGetMemoryParameters r nparams:i flags:u -> params:T nparams:i
290 virDomainBlockCommit - dom:D disk:s base:?s top:?s bandwidth:uh flags:u
291 virNetworkUpdate - net:N command:u section:u parentIndex:i xml:s flags:u
293 virNodeGetCPUMap r needMap:i needOnline:i flags:u -> cpumap:o online:u ret:i
294 virDomainFSTrim - dom:D mountPoint:?s minimum:uh flags:u
295 virDomainSendProcessSignal
296 virDomainOpenChannel s dom:D name:?s flags:u
297 virNodeDeviceLookupSCSIHostByWWN r wwnn:s wwpn:s flags:u -> dev:H
298 virDomainGetJobStats r dom:D flags:u -> type:i params:T
299 virDomainMigrateGetCompressionCache
300 virDomainMigrateSetCompressionCache
301 virNodeDeviceDetachFlags - dev:H driver:?s flags:u
302 virDomainMigrateBegin3Params - dom:D params:T flags:u -> cookie:o xml:s
303 virDomainMigratePrepare3Params - params:T cookie:o flags:u -> cookie:o uri:?s
304 virDomainMigratePrepareTunnel3Params
305 virDomainMigratePerform3Params - dom:D dconnuri:?s params:T cookie:o flags:u -> cookie:o
306 virDomainMigrateFinish3Params - params:T cookie:o flags:u cancelled:i -> dom:D cookie:o
307 virDomainMigrateConfirm3Params - dom:D params:T cookie:o flags:u cancelled:i
308 virDomainSetMemoryStatsPeriod - dom:D period:i flags:u
309 virDomainCreateXMLWithFiles
310 virDomainCreateWithFiles
312 virConnectGetCPUModelNames r arch:s needResults:i flags:u -> models:[s] ret:i
313 virConnectNetworkEventRegisterAny r eventID:i net:?N -> callbackID:i
314 virConnectNetworkEventDeregisterAny fr callbackID:i
316 virConnectDomainEventRegisterAny r eventID:i dom:?D -> callbackID:i
317 virConnectDomainEventDeregisterAny fr callbackID:i
334 virDomainCoreDumpWithFormat - dom:D to:s dumpformat:u flags:u
335 virDomainFSFreeze - dom:D mountpoints:[s] flags:u -> filesystems:i
336 virDomainFSThaw - dom:D mountpoints:[s] flags:u -> filesystems:i
337 virDomainGetTime - dom:D flags:u -> seconds:h nseconds:u
338 virDomainSetTime - dom:D seconds:h nseconds:u flags:u
340 virNodeGetFreePages r pages:[u] startCell:i cellCount:u flags:u -> counts:[uh]
341 virNetworkGetDHCPLeases r net:N mac:?s needResults:i flags:u -> leases:[(s,h,i,?s,?s,s,u,?s,?s)] ret:u
342 virConnectGetDomainCapabilities r emulator:?s arch:?s machine:?s type:?s flags:u -> capabilities:s
343 virDomainOpenGraphicsFD
344 virConnectGetAllDomainStats r domains:[D] stats:u flags:u -> records:[(D,T)]
345 virDomainBlockCopy - dom:D path:s destxml:s params:T flags:u
347 virNodeAllocPages - pageSizes:[u] pageCounts:[uh] startCell:i cellCount:u flags:u -> ret:i
349 virDomainGetFSInfo - dom:D flags:u -> info:[(s,s,s,[s])] ret:u
350 virDomainDefineXMLFlags - xml:s flags:u -> dom:D
351 virDomainGetIOThreadInfo r dom:D flags:u -> info:[(u,o)] ret:u
352 virDomainPinIOThread
353 virDomainInterfaceAddresses r dom:D source:u flags:u -> interfaces:[(s,?s,A)]
355 virDomainAddIOThread
356 virDomainDelIOThread
357 virDomainSetUserPassword - dom:D user:?s password:?s flags:u
358 virDomainRename - dom:D newName:?s flags:u -> retcode:i
360 virConnectRegisterCloseCallback fr
361 virConnectUnregisterCloseCallback fr
364 virDomainMigrateStartPostCopy - dom:D flags:u
365 virDomainGetPerfEvents r dom:D flags:u -> params:T
366 virDomainSetPerfEvents - dom:D params:T flags:u
368 virConnectStoragePoolEventRegisterAny r eventID:i pool:?P -> callbackID:i
369 virConnectStoragePoolEventDeregisterAny fr callbackID:i
371 virDomainGetGuestVcpus - dom:D flags:u -> params:T
372 virDomainSetGuestVcpus - dom:D cpumap:s state:i flags:u
374 virConnectNodeDeviceEventRegisterAny r eventID:i dev:?H -> callbackID:i
375 virConnectNodeDeviceEventDeregisterAny fr callbackID:i
378 virStorageVolGetInfoFlags r vol:V flags:u -> type:i capacity:uh allocation:uh
380 virConnectSecretEventRegisterAny r eventID:i secret:?X -> callbackID:i
381 virConnectSecretEventDeregisterAny fr callbackID:i
384 virDomainSetVcpu - dom:D cpumap:s state:i flags:u
386 virDomainSetBlockThreshold
387 virDomainMigrateGetMaxDowntime - dom:D flags:u -> downtime:uh
388 virDomainManagedSaveGetXMLDesc r dom:D flags:u -> xml:s
389 virDomainManagedSaveDefineXML - dom:D dxml:?s flags:u
390 virDomainSetLifecycleAction
391 virStoragePoolLookupByTargetPath r path:s -> pool:P
392 virDomainDetachDeviceAlias - dom:D alias:s flags:u
393 virConnectCompareHypervisorCPU r emulator:?s arch:?s machine:?s virttype:?s xml:s flags:u -> result:i
394 virConnectBaselineHypervisorCPU r emulator:?s arch:?s machine:?s virttype:?s xmlCPUs:[s] flags:u -> cpu:s
395 virNodeGetSEVInfo r nparams:i flags:u -> params:T nparams:i
396 virDomainGetLaunchSecurityInfo
397 virNWFilterBindingLookupByPortDev
398 virNWFilterBindingGetXMLDesc
399 virNWFilterBindingCreateXML
400 virNWFilterBindingDelete
401 virConnectListAllNWFilterBindings
402 virDomainSetIOThreadParams
403 virConnectGetStoragePoolCapabilities r flags:u -> xml:s
404 virNetworkListAllPorts
405 virNetworkPortLookupByUUID
406 virNetworkPortCreateXML
407 virNetworkPortGetParameters
408 virNetworkPortSetParameters
409 virNetworkPortGetXMLDesc
410 virNetworkPortDelete
411 virDomainCheckpointCreateXML - dom:D xml_desc:s flags:u -> checkpoint:(s,D)
412 virDomainCheckpointGetXMLDesc r checkpoint:(s,D) flags:u -> xml:s
413 virDomainListAllCheckpoints r dom:D needResults:i flags:u -> checkpoints:[(s,D)] ret:i
414 virDomainCheckpointListAllChildren r checkpoint:(s,D) needResults:i flags:u -> checkpoints:[(s,D)] ret:i
415 virDomainCheckpointLookupByName r dom:D name:s flags:u -> checkpoint:(s,D)
416 virDomainCheckpointGetParent r checkpoint:(s,D) flags:u -> parent:(s,D)
417 virDomainCheckpointDelete - checkpoint:(s,D) flags:u
418 virDomainGetGuestInfo - dom:D types:u flags:u -> params:T
419 virConnectSetIdentity
420 virDomainAgentSetResponseTimeout - dom:D timeout:i flags:u -> result:i
421 virDomainBackupBegin - dom:D backup_xml:s checkpoint_xml:?s flags:u
422 virDomainBackupGetXMLDesc r dom:D flags:u -> xml:s
424 virDomainAuthorizedSSHKeysGet - dom:D user:s flags:u -> keys:[s]
425 virDomainAuthorizedSSHKeysSet - dom:D user:s keys:[s] flags:u
426 virDomainGetMessages r dom:D flags:u -> messages:[s]
427 virDomainStartDirtyRateCalc - dom:D seconds:i flags:u
428 virNodeDeviceDefineXML
429 virNodeDeviceUndefine
430 virNodeDeviceCreate
431 virNWFilterDefineXMLFlags
432 virNetworkDefineXMLFlags - xml:s flags:u -> net:N
433 virNodeDeviceGetAutostart r dev:H -> autostart:i
434 virNodeDeviceSetAutostart
435 virNodeDeviceIsPersistent r dev:H -> persistent:i
436 virNodeDeviceIsActive r dev:H -> active:i
437 virNetworkCreateXMLFlags - xml:s flags:u -> net:N
439 virDomainSetLaunchSecurityState
440 virDomainSaveParams - dom:D params:T flags:u
441 virDomainRestoreParams - params:T flags:u
442 virDomainAbortJobFlags - dom:D flags:u
443 virDomainFDAssociate
444 virNetworkSetMetadata
445 virNetworkGetMetadata
447 virNodeDeviceUpdate
448 virDomainGraphicsReload
449 virDomainGetAutostartOnce
450 virDomainSetAutostartOnce
451 virDomainSetThrottleGroup
452 virDomainDelThrottleGroup
"""

QEMU: Final = """
1 virDomainQemuMonitorCommand
2 virDomainQemuAttach
3 virDomainQemuAgentCommand - dom:D command:s timeout:i flags:u -> result:?s
"""
"""The procedures that only this kind of hypervisor has."""

EVENTS: Final = """
D 0 318 lifecycle event:i detail:i
D 1 319 reboot
D 4 322 io-error srcPath:s devAlias:s action:i
D 6 324 io-error-reason srcPath:s devAlias:s action:i reason:s
D 8 326 block-job path:s type:i status:i
D 10 328 tray-change devAlias:s reason:i
D 13 331 balloon-change actual:uh
D 15 333 device-removed devAlias:s
D 16 339 block-job-2 dst:s type:i status:i
D 18 348 agent-lifecycle state:i reason:i
D 19 354 device-added devAlias:s
D 20 359 migration-iteration iteration:i
D 21 363 job-completed params:T
D 22 367 device-removal-failed devAlias:s
D 23 379 metadata-change type:i uri:?s
N 0 315 lifecycle event:i detail:i
P 0 370 lifecycle event:i detail:i
P 1 373 refresh
X 0 382 lifecycle event:i detail:i
X 1 383 value-changed
H 0 376 lifecycle event:i detail:i
H 1 377 update
"""
"""What clients are told: what it is about, libvirt's number of the event, the procedure, a name, and what
follows the number of the callback and what it is about."""
